"""The models that are bundled, and what their cards say of them."""

from dataclasses import dataclass

LABELS = ("negative", "positive")
SAMPLE_REVIEWS = "sample-reviews: of this project, with its licence."


@dataclass(frozen=True)
class Model:
    """What is bundled under a name, and from what it is made."""

    name: str
    language: str
    code: str  # of the language
    scripts: tuple[str, ...]
    tokenizer: str
    vocab_size: int
    use: str
    data: dict[str, str]  # what is known of each set, for the card
    version: str = "2"
    embedding_size: int = 160
    hidden_size: int = 128
    views: tuple[str, ...] = ("words", "ratios")  # of linear models
    ngrams: int = 110_000  # of each
    joined: float = 0.0  # joined texts, as a share of all texts
    adversarial: float = 0.03  # of the norm of the embeddings; more of it helps with texts of other kinds


ENGLISH = Model(
    "reviews-en",
    "English",
    "en",
    ("latin",),
    "word",
    24_000,
    "opinions in English, from a phrase to a page: films above all, products and services less surely",
    {
        "imdb": "IMDB (Large Movie Review Dataset, Maas et al. 2011): reviews of training with labels, and those "
        "without for pretraining. Licence: none is stated; its authors ask to cite the paper. The texts belong to "
        "users of IMDb.",
        "sst2": "SST (Stanford Sentiment Treebank, Socher et al. 2013): phrases of training. Licence: not known. The "
        "texts are from film reviews.",
        "sample-reviews": SAMPLE_REVIEWS,
    },
)
CHINESE = Model(
    "reviews-zh",
    "Chinese",
    "zh",
    ("han",),
    "bpe",
    12_000,
    "opinions in Chinese on goods, books and hotels",
    data={
        "online_shopping_10_cats": "online_shopping_10_cats: reviews of online shops, of training. Licence: not known; "
        "the authors are not named.",
        "sample-reviews": SAMPLE_REVIEWS,
    },
    views=("characters", "character_ratios"),
    ngrams=90_000,
    joined=0.3,
    adversarial=0.2,
    version="3",
)
BUNDLED = {model.name: model for model in (ENGLISH, CHINESE)}
FAILURES = (
    "negation at a distance and double negation",
    "irony and sarcasm, which are taken at their word",
    "mixed opinions: there is no neutral class, and one of the two is always given",
    "other domains, such as news, politics and medicine: probabilities are calibrated for reviews only",
    "other languages in the same script: a warning tells texts of unknown words, and nothing else does",
)
