"""rnnnlp"""
