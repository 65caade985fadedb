"""Text to ids: where texts come from, and the tokenizers."""

from rnnnlp.text.cache import cache_folder
from rnnnlp.text.characters import ByteTokenizer, CharTokenizer
from rnnnlp.text.corpus import Corpus, load_corpus
from rnnnlp.text.encoded_corpus import EncodedCorpus, encode_corpus
from rnnnlp.text.labelled import LabelledData, LabelledSplit, load_labelled
from rnnnlp.text.labels import Classes
from rnnnlp.text.plain import load_plain_texts
from rnnnlp.text.read_options import ReadOptions
from rnnnlp.text.registry import TOKENIZERS, load_tokenizer, train_tokenizer
from rnnnlp.text.scripts import is_unspaced, main_script, suggested_tokenizers
from rnnnlp.text.tokenizers import StreamDecoder, Tokenizer
from rnnnlp.text.words import BPETokenizer, WordTokenizer

__all__ = [
    "TOKENIZERS",
    "BPETokenizer",
    "ByteTokenizer",
    "CharTokenizer",
    "Classes",
    "Corpus",
    "EncodedCorpus",
    "LabelledData",
    "LabelledSplit",
    "ReadOptions",
    "StreamDecoder",
    "Tokenizer",
    "WordTokenizer",
    "cache_folder",
    "encode_corpus",
    "is_unspaced",
    "load_corpus",
    "load_labelled",
    "load_plain_texts",
    "load_tokenizer",
    "main_script",
    "suggested_tokenizers",
    "train_tokenizer",
]
