"""Ids to time-major batches: packed ragged batches of documents, contiguous streams of a corpus."""
