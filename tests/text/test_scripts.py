"""Any script: its tokens, their spans, and which tokenizers suit it. All texts are made up."""

import hashlib
import json
from copy import deepcopy
from itertools import pairwise, product

import numpy as np
import pytest
import tokenizers

from rnnnlp.text import (
    BPETokenizer,
    WordTokenizer,
    is_unspaced,
    load_tokenizer,
    main_script,
    suggested_tokenizers,
)
from rnnnlp.text.scripts import SPACED, UNSPACED, begins_cluster, script_shares

# A text, its words by the rules of today, and its script. A space in the second stands for the end of a word.
TEXTS = {
    "Thai": ("ที่นี่อร่อยมาก ชอบน้ำ 555", "ที่ นี่ อ ร่ อ ย ม า ก ช อ บ น้ำ 555", "thai"),
    "Lao": ("ອາຫານແຊບ ນ້ຳດີ", "ອ າ ຫ າ ນ ແ ຊ ບ ນ້ຳ ດີ", "lao"),
    "Khmer": ("ម្ហូបឆ្ងាញ់\u200bខ្ញុំ", "ម្ហូ ប ឆ្ងា ញ់ ខ្ញុំ", "khmer"),
    "Burmese": ("အစားအစာ ကောင်းတယ် တက္ကသိုလ် အင်္ဂလိပ်", "အ စား အ စာ ကော င်း တ ယ် တ က္က သို လ် အ င်္ဂ လိ ပ်", "myanmar"),
    "Tibetan": ("བཀྲ་ཤིས་བདེ་ལེགས། ཡག་པོ", "བཀྲ ཤིས བདེ ལེགས ། ཡག པོ", "tibetan"),
    "Javanese": ("ꦱꦸꦒꦼꦁ ꦩꦏ꧀ꦏ", "ꦱꦸ ꦒꦼꦁ ꦩ ꦏ꧀ꦏ", "javanese"),
    "Balinese": ("ᬩᬮᬶ ᬓ᭄ᬱ", "ᬩ ᬮᬶ ᬓ᭄ᬱ", "balinese"),
    "Tai Tham": ("ᨠᩮᩬᩥᨦ ᨾ᩠ᨿ", "ᨠᩮᩬᩥ ᨦ ᨾ᩠ᨿ", "tai_tham"),
    "New Tai Lue": ("ᦟᦲᧅ", "ᦟ ᦲ ᧅ", "new_tai_lue"),
    "Tai Le": ("ᥖᥭᥰ", "ᥖ ᥭ ᥰ", "tai_le"),
    "Yi": ("ꆈꌠꁱꂷ", "ꆈ ꌠ ꁱ ꂷ", "yi"),
    "Bopomofo": ("ㄏㄠˇㄔ", "ㄏ ㄠ ˇ ㄔ", "bopomofo"),
    "Japanese": ("スーパーで、人々がか\u3099", "ス ー パ ー で 、 人 々 が か\u3099", "kana"),
    "halfwidth kana": ("ｶﾞｰﾄﾞ", "ｶﾞ ｰ ﾄﾞ", "kana"),
    "Chinese": ("质量很好，\U00020000\U00030001！", "质 量 很 好 ， \U00020000 \U00030001 ！", "han"),
    "Chinese with a variation selector": ("葛\U000e0100好", "葛\U000e0100 好", "han"),
    "Chinese and English": ("这个iPhone手机壳", "这 个 iphone 手 机 壳", "han"),
    "Korean": ("정말 맛있어요! \u1112\u1161\u11ab", "정말 맛있어요 ! \u1112\u1161\u11ab", "hangul"),
    "Turkish": ("Evlerimizden çok güzel", "evlerimizden çok güzel", "latin"),
    "Finnish": ("Taloissammekin hyvää", "taloissammekin hyvää", "latin"),
    "English": ("Don't stop!!!! e\u0301tude", "don't stop !!! ! e\u0301tude", "latin"),
    "Catalan": ("col·legi", "col·legi", "latin"),
    "Hindi": ("हिन्दी में क्षत्रिय क्\u200dष", "हिन्दी में क्षत्रिय क्\u200dष", "devanagari"),
    "Malayalam": ("അവന്\u200d പറഞ്ഞു", "അവന്\u200d പറഞ്ഞു", "malayalam"),
    "Persian": ("می\u200cخواهم کتاب\u200cها", "می\u200cخواهم کتاب\u200cها", "arabic"),
    "Arabic": ("كِتَابٌ جَمِيلٌ", "كِتَابٌ جَمِيلٌ", "arabic"),
    "Hebrew": ("שָׁלוֹם צה״ל", "שָׁלוֹם צה״ל", "hebrew"),
    "Russian": ("Очень хорошо", "очень хорошо", "cyrillic"),
    "emoji": ("❤\ufe0fso 👍🏽", "❤\ufe0f so 👍 🏽", "latin"),
}
UNTIL_0_2 = {  # rules 1
    "Thai": "ที่นี่อร่อยมาก ชอบน้ำ 555",
    "Chinese": "质 量 很 好 ， \U00020000 \U00030001 ！",
    "Tibetan": "བཀྲ ་ ཤིས ་ བདེ ་ ལེགས ། ཡག ་ པོ",
    "emoji": "❤ \ufe0fso 👍 🏽",
}
DIGESTS = {  # of RULES, which are part of saved tokenizers
    WordTokenizer: ["ec20b0083d31fdeb", "6bfcddf8d7c75f0e", "0b8ff8f8ef39611d", "0b8ff8f8ef39611d"],
    BPETokenizer: ["36986339204ba9f6", "4b4848d3481531d4", "4b4848d3481531d4", "4b4848d3481531d4"],
}


def words_of(text: str, **options) -> list[str]:
    tokenizer = WordTokenizer([], **options)
    return [text[start:stop].lower() for start, stop in tokenizer.spans(text)]


@pytest.mark.parametrize("name", TEXTS)
def test_words_and_spans(name: str, tmp_path):
    text, words, script = TEXTS[name]
    assert words_of(text) == words.split(" ")
    assert main_script(text) == script
    tokenizer = WordTokenizer.train([text], min_frequency=1)
    tokenizer.save(tmp_path)
    library = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    ids = tokenizer.encode(text)
    assert ids.tolist() == library.encode(text).ids == load_tokenizer(tmp_path).encode(text).tolist()
    assert tokenizer.unknown_id not in ids
    assert tokenizer.decode(ids) == words
    assert tokenizer.encode_batch([text], 3)[0].tolist() == [*ids[:1], *ids[1:][-2:]]
    assert tokenizer.unknown_characters(f"{text} zzz") == ["zzz"]


@pytest.mark.parametrize("name", TEXTS)
def test_no_word_ends_within_a_grapheme_cluster(name: str):
    text, *_ = TEXTS[name]
    for start, stop in WordTokenizer([]).spans(text).tolist():
        assert begins_cluster(text, start)
        assert begins_cluster(text, stop)


@pytest.mark.parametrize("name", TEXTS)
def test_subwords_are_joined_over_marks(name: str):
    """Subwords that occur often become whole words, or whole sentences of scripts without spaces."""
    text, *_ = TEXTS[name]
    tokenizer = BPETokenizer.train([text], min_frequency=1, vocab_size=1000)
    assert tokenizer.decode(tokenizer.encode(text)) == text
    for start, stop in tokenizer.spans(text).tolist():
        assert begins_cluster(text, start)
        assert begins_cluster(text, stop)


@pytest.mark.parametrize("name", UNTIL_0_2)
def test_tokenizers_of_earlier_versions_keep_their_rules(name: str, tmp_path):
    text, _, _ = TEXTS[name]
    words = UNTIL_0_2[name].split(" ")
    old = WordTokenizer(sorted(set(words)), rules=1)
    assert words_of(text, rules=1) == words
    old.save(tmp_path)
    opened = load_tokenizer(tmp_path)
    assert opened.rules == 1
    assert opened.decode(opened.encode(text)) == " ".join(words)


def test_subwords_of_earlier_versions_keep_their_rules(tmp_path):
    old = BPETokenizer.train(["ที่ดี"] * 2, vocab_size=1000)
    content = BPETokenizer(old.symbols, old.merges, rules=1).to_json()
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    opened = load_tokenizer(tmp_path)
    assert opened.rules == 1
    assert len(opened.encode("ที่ดี")) > len(old.encode("ที่ดี")) == 1


def test_rules_are_never_changed():
    """If this fails, tokenizers that were saved are no longer read: add rules instead."""
    for kind, digests in DIGESTS.items():
        assert [hashlib.sha256(json.dumps(rules).encode()).hexdigest()[:16] for rules in kind.RULES] == digests


@pytest.mark.parametrize("kind", [WordTokenizer, BPETokenizer])
def test_rules_that_javascript_takes_give_the_same_ids(kind: type):
    """Each character beside letters, itself and spaces, and as a part of a tag and of an entity."""
    tags = "<BR>a<br />b<B id=1>&AMP;lt;&#XA0;<!-- no -->&nBsP;<3 <sigh>&quot;&#039;&apos;&x;"
    points = (
        range(0x2100)
        if kind is BPETokenizer
        else [*range(0x3400), *range(0x3400, 0xD800, 13), *range(0xE000, 0x30000, 13)]
    )
    text = tags + "".join(f"a{c}b {c}{c}\n" for c in map(chr, points))
    learned = kind.train([text[: 1 << 16]], min_frequency=1, vocab_size=3000, lowercase=True, normalizer="html")
    given = [learned.words] if kind is WordTokenizer else [learned.symbols, learned.merges]
    before = kind(*given, lowercase=True, normalizer="html", rules=2)
    assert learned.rules == len(kind.RULES)
    for tokenizer, takes in ((learned, True), (before, False)):
        content = tokenizer.to_json()
        written = json.dumps([content["normalizer"], content["pre_tokenizer"]])
        assert ("&&" not in written and "(?i)" not in written) == takes
    assert np.array_equal(learned.encode(text), before.encode(text))


def test_other_rules_are_refused():
    content = deepcopy(WordTokenizer(["a"]).to_json())
    content["pre_tokenizer"]["pattern"] = {"Regex": "(a+)+b"}
    with pytest.raises(ValueError, match="cannot write such rules"):
        WordTokenizer.from_json(content)


# Which tokenizers suit texts.

TURKISH = product(
    "ev ekmek film yemek şehir servis deniz resim ses beden nehir teyze bebek çiçek kemer "
    "bilet biber dergi deri diken ders mektep pencere seven gelen".split(),
    " ler i de den e in im imiz iniz lerim lerimiz lerde lerden imizde imizden lerimizden leri lerine imize".split(" "),
)
FINNISH = product(
    "talo kirja kello paikka ruoka laiva sauna kala koira pullo kuva laukku auto hinta sana "
    "matka kunta lampi palvelu kamera muki puku lakki tukka satama".split(),
    "n a ssa sta lla lta lle na ksi mme nne ssamme stamme llamme ltamme llemme ssanne stanne kin ssakin".split(),
)
ENGLISH = "it is a lovely film with good actors and the story was not too long for us but the end is a bit slow".split()


@pytest.mark.parametrize("name", ["Thai", "Lao", "Khmer", "Burmese"])
def test_several_tokenizers_suit_scripts_whose_letters_are_no_words(name: str):
    text, *_ = TEXTS[name]
    assert suggested_tokenizers([text] * 3) == ("char", "bpe", "word")
    assert is_unspaced([text])


@pytest.mark.parametrize("name", ["Chinese", "Japanese", "Tibetan"])
def test_words_suit_scripts_whose_characters_are_words(name: str):
    text, *_ = TEXTS[name]
    for texts in ([text] * 3, [f"{chr(0x4E00 + i)}，{text}" for i in range(1000)]):
        assert suggested_tokenizers(texts) == ("word",)
        assert is_unspaced(texts)


@pytest.mark.parametrize("forms", [TURKISH, FINNISH])
def test_several_tokenizers_suit_words_of_many_forms(forms):
    words = ["".join(form) for form in forms]
    assert main_script(words[0]) == "latin"
    for texts in ([" ".join(words)], [" ".join([*words[i : i + 4], "bu"]) for i in range(0, len(words), 4)]):
        assert suggested_tokenizers(texts) == ("word", "char", "bpe")
        assert not is_unspaced(texts)


def test_words_with_marks_are_counted():
    words = [a + b for a, b in product("படம் நடிகர் கதை இசை பாடல்".split(), map(chr, range(0xB95, 0xBB9)))]
    assert suggested_tokenizers([" ".join(words * 4)]) == ("word",)
    words = [a + b for a, b in product(words, "ஐ இல் உடன் ஆல் ஓடு".split())]
    assert suggested_tokenizers([" ".join(words)]) == ("word", "char", "bpe")


def test_several_tokenizers_suit_korean_and_mixed_texts():
    korean, chinese = TEXTS["Korean"][0], TEXTS["Chinese"][0]
    assert suggested_tokenizers([korean]) == ("word", "char", "bpe")
    assert suggested_tokenizers([chinese * 3, "a lovely film"]) == ("word", "char", "bpe")


@pytest.mark.parametrize("texts", [[], [""], ["5 / 5 😀"], ["a b c"], [" ".join(ENGLISH * 100)], ["Очень хорошо"]])
def test_words_suit_other_texts(texts: list[str]):
    assert suggested_tokenizers(texts) == ("word",)
    assert not is_unspaced(texts)


def test_scripts_of_texts():
    assert script_shares(["abcd 质量很好", "12 ab"]) == {"latin": 0.6, "han": 0.4}
    assert script_shares(["好"] * 10_000 + ["a" * 10_000]) == {"han": 1.0}  # a sample
    assert is_unspaced(["a"] * 1000 + ["好"] * 9000)  # also one that begins with another script
    assert script_shares(["\ud800"]) == {}
    assert main_script("今日は東京駅の前") == "kana"
    assert main_script("!? 12") is None


def test_no_character_is_of_two_scripts():
    ranges = sorted(pair for scripts in (UNSPACED, SPACED) for of_script in scripts.values() for pair in of_script)
    assert all(first <= last for first, last in ranges)
    assert all(before[1] < after[0] for before, after in pairwise(ranges))
