"""Mistakes of users, and the one line that each of them ends in. `test_errors.py` makes them all."""

from rnnnlp.cli.train import tasks_by_command

KINDS = "|".join(kind for kind, task in tasks_by_command().items() if task.command != kind)  # after `rnnnlp train`
LITTLE = "--hidden-size 4 --batch-size 1 --bptt 8 --warmup 0"

# What was done, and what the one line says. Each is a mistake of the user: exit code 2.
MISTAKES = {
    "serve --host 0.0.0.0": "--host is 0.0.0.0, which other machines reach; give --token too, or set RNNNLP_TOKEN",
    "serve --token secret": "--token has 6 characters or others than letters, digits and signs; it must have",
    "serve --port 70000": "--port is 70000; it must be at least 0 and at most 65535",
    # Options that no command has, or that have no such value.
    "": "the following arguments are required: COMMAND; 'rnnnlp --help' lists the options",
    "train charlm --data (texts)": "the texts were given in Python and are not kept; give --data that can be read",
    "nonsense": "invalid choice: 'nonsense' (choose from ... ; 'rnnnlp --help' lists the options",
    "train": f"the following arguments are required: {KINDS}; 'rnnnlp train --help' lists",
    "generate": "the following arguments are required: RUN; 'rnnnlp generate --help' lists",
    "train charlm --data": "--data: expected one argument; 'rnnnlp train charlm --help' lists",
    "train charlm --data {home}/text.txt --out=": "--out is empty; give the name of a new folder",
    "train charlm --hidden-sise 3": (
        "--hidden-sise 3: there is no such option; 'rnnnlp train charlm --help' lists the options; did you mean "
        "--hidden-size?"
    ),
    "train sentiment --hidden_size=3": "--hidden_size=3: there is no such option; ... ; did you mean --hidden-size?",
    "generate {home}/lm -seed 3": "-seed 3: there is no such option; ... lists the options; did you mean --seed?",
    "evaluate {home}/lm --attention": "--attention: there is no such option; 'rnnnlp evaluate --help' lists",
    "train sentiment {home}/good.csv": (
        "{home}/good.csv: there is no such option; ... lists the options; did you mean --data {home}/good.csv?"
    ),
    "generate {home}/lm --threads 0": "--threads is 0; it must be at least 1",
    "generate {home}/lm --backend gpu": "--backend is gpu; it must be one of auto, numpy",
    "generate {home}/lm more": "more: there is no such option; 'rnnnlp generate --help' lists the options",
    "train charlm --hidden-size many": "--hidden-size: invalid int value: 'many'; 'rnnnlp train charlm --help' lists",
    "train charlm --budget soon": "'soon' is not a duration; write it as 90s, 10m, 1.5h or 1h30m",
    "train sentiment --lr-decay fast": "--lr-decay: invalid float value: 'fast'; 'rnnnlp train sentiment --help'",
    "pretrain --samples few": "--samples: invalid int value: 'few'; 'rnnnlp pretrain --help' lists",
    "evaluate {home}/lm --weights first": (
        "--weights: invalid choice: 'first' (choose from ... ; 'rnnnlp evaluate --help' lists"
    ),
    "plot {home}/lm --steps 5 --json -": "--steps means nothing without --gradients; leave it out",
    "plot {home}/lm --encoding cp1252 --json -": "--encoding means nothing without --gradients; leave it out",
    "plot --gradients {home}/lm --x time --json -": "--x means nothing with --gradients; leave it out",
    "plot --gradients {home}/lm --seed 1 --json -": "--seed means nothing for the trained models of RUN; leave it out",
    "plot {home}/lm --x place": "--x: invalid choice: 'place' (choose from ... ; 'rnnnlp plot --help' lists",
    # Names of version 0.1.
    "combine {home}/reviews {home}/other --out {home}/new": "the command combine is now ensemble; use that name",
    "train sentiment --data sample-reviews --votes 9": "--votes is now --ngram-buckets; use that name",
    "train sentiment --data sample-reviews --config {home}/votes.toml": "--votes is now --ngram-buckets; use that name",
    # Training.
    "train charlm": "--data is missing",
    "train charlm --data {home}/nothing.txt": "nothing.txt': no such file or folder; expected a path",
    "train charlm --data {home}/empty.txt": "empty.txt has 0 characters in train: too few for a train split; give",
    "train charlm --data {home}/brief.txt": "give more text or a smaller --bptt",
    "train charlm --data {home}/short.txt": "the validation split has 1 tokens; to predict one from another it must",
    "train charlm --data {home}/blank --tokenizer word": "the validation split has 0 tokens; to predict one from",
    "train charlm --data {home}/latin.txt": "byte 3 is not valid UTF-8",
    "train charlm --data {home}/text.txt --hidden-size 0": "--hidden-size is 0; it must be at least 1",
    "train charlm --data {home}/text.txt --dropout 1.5": "--dropout is 1.5; it must be at least 0 and below 1",
    "train charlm --data {home}/text.txt --cell lstn": "--cell is lstn; it must be one of lstm, lstm_rms_norm, gru",
    "train charlm --data {home}/text.txt --hidden-size 10000000": "--hidden-size is 10000000; it must be smaller",
    "train sentiment --data sample-reviews --num-layers 101": (
        "--num-layers is 101; it must be at least 1 and at most 100"
    ),
    "train charlm --data {home}/text.txt --config {home}/null.toml": "which has a null character; give another name",
    "train charlm --data {home}/text.txt --tokenizer bpe --vocab-size 9007199254740992": (
        "--vocab-size is 9007199254740992; it must be at least 1 and at most 4194304"
    ),
    "generate {home}/lm --samples 9223372036854775808": "--samples is larger than any number that makes sense; it must",
    "plot --gradients --json - --scale inf": "--scale is inf; it must be finite",
    "train charlm --data {home}/text.txt --config {home}/senseless.toml": "senseless.toml is not valid TOML",
    "train charlm --data {home}/text.txt --config {home}/parts.toml": "parts.toml is too long, or has a key of many",
    "train charlm --data {home}/text.txt --on-divergence go": "--on-divergence is go; it must be one of stop, rollback",
    "train charlm --data {home}/text.txt --optimizer sgd --max-norm 0 --lr 1e38 --steps 9": (
        "at learning rate ... ; train again with a smaller --lr or a --max-norm above 0"
    ),
    "train charlm --data {home}/text.txt --keep-checkpoints 0": "--keep-checkpoints is 0; it must be at least 1",
    "train charlm --data {home}/text.txt --shuffle-blocks -1": "--shuffle-blocks is -1; it must be at least 0",
    "train charlm --data {home}/text.txt --document-separator \\x": r"--document-separator is \x; write a backslash as",
    "train charlm --data {home}/text.txt --lr 0": "--lr is 0.0; it must be above 0",
    "train charlm --data {home}/text.txt --lr nan": "--lr is nan; it must be finite",
    "train charlm --data {home}/text.txt --report-to aim": "--report-to is aim; it must be none, or one or more of",
    "train charlm --data {home}/text.txt --backend gpu": "--backend is gpu; it must be one of auto, numpy",
    "train charlm --data {home}/text.txt --epochs 1 --steps 3": "--epochs, --steps and --budget exclude one another",
    "train charlm --data {home}/text.txt --preset large --tied-weights --embedding-size 64": (
        "--embedding-size is 64 with --tied-weights, and --preset large has --hidden-size 768; leave out one of them"
    ),
    "train charlm --data {home}/text.txt --tied-weights --hidden-size 8 --embedding-size 4": (
        "--tied-weights is True; it must be false unless"
    ),
    "train charlm --data {home}/text.txt --out {home}/lm": (
        "--out {home}/lm already holds a run; give --overwrite to replace it, or --resume to continue it"
    ),
    "train charlm --data {home}/text.txt --out {home}/stranger": "not empty and not a run",
    "train charlm --data {home}/text.txt --out {home}/text.txt": "is a file; give the name of a new folder",
    "train charlm --data {home}/text.txt --config {home}/none.toml": (
        "{home}/none.toml: No such file or directory; give the path of a TOML file"
    ),
    "train charlm --data {home}/text.txt --config {home}/bad.toml": "bad.toml is not valid TOML",
    "train charlm --data {home}/text.txt --config {home}/unknown.toml": "'hidden_sise' is not an option",
    "train charlm --data {home}/text.txt --config {home}/resume.toml": (
        "'resume' is not an option of this training; its options are in 'rnnnlp train charlm --help', under training"
    ),
    "train charlm --data {home}/text.txt --lr 1e38 --max-norm 0 --bptt 8 --steps 9": (
        "at learning rate ... ; train again with a smaller --lr or a --max-norm above 0, or give --on-divergence"
    ),
    "train sentiment --data sample-reviews --lr 1e38 --max-norm 0 --steps 9": "(largest in",
    "pretrain --data {home}/text.txt --samples 0": "--samples is 0; it must be at least 1 and at most 1048576",
    "pretrain --data {home}/text.txt --config {home}/smooth.toml": (
        "'label_smoothing' is not an option of this training; its options are in 'rnnnlp pretrain --help'"
    ),
    "pretrain --data {home}/brief.txt": "give more text or a smaller --bptt",
    "pretrain --data {home}/blank": "the validation split has 0 tokens; to predict one from another it must have 2",
    "train sentiment --data sample-reviews --from {home}/nothing": "nothing is not a folder",
    "train sentiment --data sample-reviews --from {home}/ensemble": "holds a model of type ensemble; it must be a run",
    "train sentiment --data sample-reviews --from {home}/reviews --pooling last": "is mean+max; leave it out",
    "train sentiment --data sample-reviews --from {home}/words --vocab-size 3": "--vocab-size is 3, and that of --from",
    "train sentiment --data sample-reviews --from {home}/lm --vocab-size 999": "to which only words can be added; ",
    "train charlm --data {home}/text.txt --from {home}/reviews": "sentiment; one of type char_lm is needed here",
    "train charlm --data {home}/text.txt --from {home}/lm --preset tiny": "--preset is tiny, and that of",
    "pretrain --data {home}/text.txt --from {home}/words --hidden-size 3": "--hidden-size is 3, and that of --from",
    "train charlm --data {home}/text.txt --budget +10m": "--budget +10m adds to a run: give --resume RUN; for a new",
    "train sentiment --data sample-reviews --from {home}/words --hidden-size 3": "--hidden-size is 3, and that of",
    "train sentiment --data sample-reviews --from {home}/words --tokenizer bpe": "--tokenizer is bpe, and that of",
    "train sentiment --data sample-reviews --lr-decay -1": "--lr-decay is -1.0; it must be at least 0 and at most 1",
    "evaluate {home}/words --dynamic": "--dynamic means nothing for models of type word_lm, as {home}/words is",
    "evaluate {home}/words --mistakes 2": "--mistakes means nothing for models of type ",
    "predict {home}/words text": "holds a model of type word_lm; a classifier is needed here",
    "generate {home}/words": "holds a model of type word_lm; one of type char_lm is needed here",
    "pretrain --resume {home}/lm": "holds a model of type char_lm; one of type word_lm is needed here",
    "train charlm --resume {home}/stranger": "stranger has no checkpoint; begin a new run in another folder",
    "status {home}/stranger": "config.json is missing; the folder does not hold a (complete) model: give another one",
    "status {home}/silent": "silent has no checkpoint; a saved model has no progress to show: give the folder of a run",
    "status {home}/nothing": "nothing is not a folder",
    "train charlm --resume {home}/nothing": "nothing is not a folder",
    "train charlm --resume {home}/reviews": "holds a model of type sentiment; one of type char_lm is needed here",
    "train charlm --resume {home}/lm --lr 1": "--lr cannot change when {home}/lm is resumed, only --data, ",
    "train charlm --resume {home}/lm --steps 1": "--steps is 1, and {home}/lm has already had 2 steps in ",
    "train charlm --resume {home}/lm --budget +soon": "--budget 'soon' is not a duration; write it as 90s, 10m",
    "train charlm --resume {home}/lm --data {home}/noise.txt": "noise.txt is not what",
    "train sentiment --data {home}/one_class.csv": "only the label",
    "train sentiment --data {home}/no_label.csv": (
        "has none of the usual columns label, labels, ... ; its columns are text, other: name one with --label-column"
    ),
    "train sentiment --data {home}/no_label.csv --label-column sentiment": (
        "has no column 'sentiment'; its columns are text, other: name one of them with --label-column"
    ),
    "train sentiment --data sample-reviews --class-weights 2": "--class-weights is 2; it must be one of none, balanced",
    "train sentiment --data sample-reviews --pooling sum": "--pooling is sum; it must be one of last, mean",
    "generate {home}/lm --temperature -1": "--temperature is -1.0; it must be at least 0",
    "generate {home}/lm --top-p 0": "--top-p is 0.0; it must be above 0",
    "generate {home}/lm --samples 0": "--samples is 0; it must be at least 1",
    "generate {home}/lm --samples 2 --out {home}/new.txt": "--samples is 2 beside --out; it must be 1",
    "generate {home}/lm --out {home}/none/new.txt": "--out {home}/none/new.txt cannot be written (No such file",
    "generate {home}/lm --seed -1": "--seed is -1; it must be at least 0",
    "generate {home}/reviews": "holds a model of type sentiment; one of type char_lm is needed here",
    "generate {home}/nothing": "is not a folder",
    "generate {home}/stranger": "config.json is missing; the folder does not hold a (complete) model: give another one",
    "evaluate {home}/lm --split test": "has no split 'test'",
    "evaluate {home}/reviews --data {home}/other_label.csv --split train": (
        "labels that the model does not know, 'terrible', 'wonderful'; it knows 'negative', 'positive': rename them in"
    ),
    "evaluate {home}/reviews --split test --json {home}/none/out.json": (
        "--json {home}/none/out.json cannot be written (No"
    ),
    "evaluate {home}/reviews --split test --dynamic": "--dynamic means nothing for models of type sentiment, as",
    "evaluate {home}/reviews --baseline --split train": (
        "--split is train, with texts that the model of --baseline is trained on; give another split, or other data"
    ),
    "evaluate {home}/reviews --mistakes -1": "--mistakes is -1; it must be at least 0",
    "evaluate {home}/lm --mistakes 3": "--mistakes means nothing for models of type ",
    "evaluate {home}/lm --threshold good": "--threshold means nothing for models of type char_lm",
    "evaluate {home}/reviews --threshold nice": "--threshold has the label 'nice'; it must be one of",
    "evaluate {home}/reviews --threshold nice=0.5": "--threshold has the label 'nice'; it must be one of",
    "evaluate {home}/reviews --threshold positive=2": "--threshold is 'positive=2'; it must be LABEL=P with P from",
    "predict {home}/reviews text --threshold positive": "--threshold is 'positive'; it must be LABEL=P with P from",
    "evaluate {home}/lm --baseline": "--baseline means nothing for models of type ",
    "evaluate {home}/lm --dynamic-lr 0.1": "without --dynamic",
    "evaluate {home}/lm --dynamic --dynamic-lr -1": "--dynamic-lr is -1.0; it must be at least 0 and finite",
    "info --threads 0": "--threads is 0; it must be at least 1",
    "evaluate {home}/reviews --split test --threads 0": "--threads is 0; it must be at least 1",
    "predict {home}/lm text": "holds a model of type char_lm; a classifier is needed here",
    "predict {home}/reviews text --file {home}/text.txt": "texts and --file are both given; give one of them",
    "predict {home}/reviews --file {home}/none.txt": "none.txt: no such file; expected a file of texts, or",
    "train charlm --data {home}/text.txt --batch-size 0": "--batch-size is 0; it must be at least 1",
    "train charlm --data {home}/text.txt --bptt 0": "--bptt is 0; it must be at least 1",
    "train charlm --data {home}/text.txt --steps 0": "--steps is 0; it must be at least 1",
    "train charlm --data {home}/text.txt --epochs 0": "--epochs is 0; it must be at least 1",
    "train charlm --data {home}/text.txt --budget 0": "--budget is 0.0; it must be above 0 seconds",
    "train charlm --data {home}/text.txt --evaluations 0": "--evaluations is 0; it must be at least 1",
    "train charlm --data {home}/text.txt --checkpoint-every 0": "--checkpoint-every is 0; it must be at least 1",
    "train charlm --data {home}/text.txt --patience -1": "--patience is -1; it must be at least 0",
    "train charlm --data {home}/text.txt --seed -1": "--seed is -1; it must be at least 0",
    "train charlm --data {home}/text.txt --weight-decay -1": "--weight-decay is -1.0; it must be at least 0",
    "train charlm --data {home}/text.txt --max-norm -1": "--max-norm is -1.0; it must be at least 0",
    "train charlm --data {home}/text.txt --momentum 1": "--momentum is 1.0; it must be at least 0 and below 1",
    "train charlm --data {home}/text.txt --warmup 2": "--warmup is 2.0; it must be at least 0 and below 1",
    "train charlm --data {home}/text.txt --averaging 1": "--averaging is 1.0; it must be at least 0 and below 1",
    "train charlm --data {home}/text.txt --label-smoothing 1": "--label-smoothing is 1.0; it must be",
    "train charlm --data {home}/text.txt --optimizer nosuch": "--optimizer is nosuch; it must be one of adamw",
    "train charlm --data {home}/text.txt --schedule linear": "--schedule is linear; it must be one of",
    "train charlm --data {home}/text.txt --tokenizer sentencepiece": "--tokenizer is sentencepiece; it must be one of",
    "train charlm --data {home}/text.txt --num-layers 0": "--num-layers is 0; it must be at least 1",
    "train charlm --data {home}/text.txt --embedding-size 0": "--embedding-size is 0; it must be at least 1",
    "train charlm --data {home}/text.txt --validation-tokens 0": "--validation-tokens is 0; it must be at least 1",
    "train charlm --data {home}/text.txt --tokenizer bpe --vocab-size 5": "vocab_size is 5; it must be at least 256",
    "train charlm --data {home}/quoted.csv": "its quotation marks are not as in a csv file: every line has 2 fields",
    "train charlm --data {home}/swallowed.tsv": "line 2: a quoted field seems to swallow lines that are rows; if its",
    "train charlm --data {home}/cut.txt": "byte 10 begins a character that is cut off; copy the file again",
    "train charlm --data {home}/latin.txt --encoding utf-16": "does not begin with the byte order mark of utf-16; give",
    "train charlm --data {home}/latin.txt --encoding shift-jis": "byte 3 is not valid SHIFT-JIS (illegal multibyte",
    "train charlm --data {home}/text.txt --encoding klingon": "--encoding is klingon; it must be an encoding that",
    "train charlm --data {home}/text.txt --quoting some": "--quoting is some; it must be one of auto, csv, none",
    "train charlm --data {home}/tune.mid": "tune.mid is a binary file; expected text: give another file, or",
    "train charlm --data {home}/return.csv": "line 2: a carriage return is in a field without quotes; quote the field",
    "train charlm --data {home}/names": "names has one.csv, two.csv, not named after the splits (train, validation,",
    "train charlm --data {home}/letter.pdf": "letter.pdf is a PDF document; expected text or a table: copy its text",
    "train sentiment --data {home}/cut.csv.gz": "cut.csv.gz cannot be unpacked (it ends in the middle of a stream",
    "train sentiment --data {home}/two.zip": "two.zip is a zip archive of 2 files (a.csv, b.csv); expected one: unpack",
    "train sentiment --data {home}/object.json": "object.json is one JSON object with the keys 'data'; expected an",
    "train sentiment --data {home}/cut.json": "cut.json: its array of 1 objects is damaged; expected a ] at its end",
    "train sentiment --data {home}/both.csv": "both.csv has the columns label and stars, which fit equally; name",
    "train sentiment --data {home}/same.csv": "same.csv has 2 columns named label; rename the others",
    "train charlm --data https://example.org/book.txt": "book.txt is a URL, which is not read; download it first, and",
    "train charlm --data file:///data/book.txt": "file:///data/book.txt is a URL; expected a path: give /data/book.txt",
    "train charlm --data {home}/no.parquet": "no.parquet cannot be read as parquet",
    "train sentiment --data {home}/list.jsonl": "item 1: int, expected an object; write one per line, with",
    "train sentiment --data {home}/mixed.jsonl": "mixes kinds of labels (1, 'good'); use only names",
    "train sentiment --data {home}/text.txt": "is plain text; for labels give csv, tsv, jsonl, parquet",
    "train sentiment --data sample-reviews --max-length 0": "--max-length is 0; it must be at least 1",
    "train charlm --data {home}/none*.txt": "matches no file; check the pattern",
    "train charlm --data {home}/hollow": "holds no data; expected split files",
    "train charlm --resume {home}/lm --out {home}/x": "--resume continues the run in its own folder; leave out --out",
    "generate {home}/lm --top-k -1": "--top-k is -1; it must be at least 0",
    "generate {home}/lm --length -1": "--length is -1; it must be at least 0",
    "generate {home}/lm --repetition-penalty 0": "--repetition-penalty is 0.0; it must be above 0",
    "generate {home}/lm --repetition-window 0": "--repetition-window is 0; it must be at least 1",
    "evaluate {home}/reviews --data {home}/nothing.csv": "nothing.csv': no such file or folder; expected",
    "predict {home}/reviews text --json {home}/none/out.json": "--json {home}/none/out.json cannot be written (No such",
    "train charlm --data {home}/text.txt --preset giant": "--preset is giant; it must be one of auto, tiny, small",
    "train charlm --data {home}/text.txt --weight-drop 1": "--weight-drop is 1.0; it must be at least 0 and below 1",
    "train charlm --data {home}/text.txt --min-frequency -1": "--min-frequency is -1; it must be at least 0",
    "train charlm --data {home}/text.txt --vocab-size 0": "--vocab-size is 0; it must be at least 1",
    "train sentiment --data sample-reviews --crop 0": "--crop is 0; it must be at least 1",
    "train sentiment --data sample-reviews --folds 1": "--folds is 1; it must be 0, or at least 2",
    "train sentiment --data sample-reviews --ngram-buckets -1": "--ngram-buckets is -1; it must be at least 0",
    "train sentiment --data sample-reviews --virtual-adversarial -1": "--virtual-adversarial is -1.0; it must be at",
    "train sentiment --data {home}/few.csv --pretraining 2 --steps 3": "few.csv has 6 tokens; to pretrain",
    "train sentiment --data sample-reviews --pretraining -1": "--pretraining is -1; it must be at least 0",
    "train sentiment --data sample-reviews --pretraining 2 --from {home}/words": "--pretraining is 2; it must be 0, or",
    "train sentiment --data sample-reviews --adversarial -1": "--adversarial is -1.0; it must be at least 0",
    "train sentiment --data sample-reviews --max-epochs 0": "--max-epochs is 0; it must be at least 1",
    "train sentiment --data sample-reviews --max-epochs 2 --steps 3": (
        "--max-epochs is 2, which applies only with a --budget; leave it out"
    ),
    "train charlm --data {home}/text.txt --config {home}/size.toml": "--hidden-size is '64'; it must be int",
    "train charlm --data {home}/text.txt --config {home}/out.toml": "--out is 5; it must be str",
    "train sentiment --data {home}/lonely.csv": "lonely.csv: there is no text to validate on; give two or",
    "train sentiment --data sample-reviews --from {home}/lm --bidirectional": "lm reads in one direction only",
    "train sentiment --data sample-reviews --ngram-buckets 900000000000": (
        "; it must be smaller, or --embedding-size or --num-layers or --ngram-buckets"
    ),
    "evaluate {home}/lm --label-column mark": "--label-column means nothing for models of type char_lm, as",
    "predict {home}/reviews text --text-column mark": "--text-column is mark, and the texts are given; leave it out",
    "predict {home}/reviews --file {home}/text.txt --text-column mark": "text.txt is not a table; leave it out",
    "predict {home}/reviews --file {home}/text.txt --uncertain 0": "--uncertain is 0; it must be at least 1",
    "predict {home}/reviews text --uncertain 3 --explain": "--explain means nothing beside --uncertain; leave it out",
    "predict {home}/reviews text --out {home}/new.csv": (
        "--out means nothing without --uncertain or --files; to write predictions to a file, give --json FILE"
    ),
    "train charlm --data {home}/text.txt --shards 0": "--shards is 0; it must be at least 1 and at most 4096",
    "train charlm --data {home}/text.txt --wire float16": "--wire is float16; it must be one of float32, bf16",
    "train charlm --data {home}/text.txt --sync-every 8": (
        "--sync-every is 8, which means nothing for a batch of one shard; start several processes, or give --shards"
    ),
    "predict {home}/reviews --part 1/2": "--part is 1/2 without --files; give both",
    "predict {home}/reviews --files {home}/good.csv": "--files needs a folder for the outputs; give --out",
    "predict {home}/reviews --files {home}/good.csv --out {home}/of --json -": (
        "--json means nothing beside --files; leave it out"
    ),
    "predict {home}/reviews text --files {home}/good.csv --out {home}/of": (
        "--files needs a model, and no texts; give one"
    ),
    "predict {home}/reviews --files {home}/nothing*.csv --out {home}/of": (
        "--files {home}/nothing*.csv: there is no such file; give files"
    ),
    "predict {home}/reviews --files {home}/good.csv --out {home}/of --part 3/2": (
        "--part is 3/2; it must be K/N with K from 1 to N"
    ),
    "predict {home}/reviews --files {home}/parts/*/train.csv --out {home}/of": "--files: two files have names that",
    "evaluate {home}/reviews --files {home}/named/model --out {home}/of": (
        "named/model would be model.json, which has the digest of the model; rename that file"
    ),
    "predict {home}/reviews --files {home}/good.csv --out {home}/predicted": (
        "--out {home}/predicted has outputs of another model or of other options; give another folder"
    ),
    "evaluate {home}/reviews --out {home}/of": "--out means nothing without --files; leave it out",
    "evaluate {home}/lm --files {home}/text.txt --out {home}/of --dynamic-lr 0": (
        "--dynamic-lr means nothing beside --files; leave it out"
    ),
    "predict {home}/reviews --file {home}/good.csv --uncertain 3": (
        "good.csv: every row has a label in column 'label'; add rows without one, or name another column with"
    ),
    "curve --data {home}/good.csv --sizes 10,ten": "--sizes has 'ten'; it must be numbers of texts or all, such as",
    "curve --data {home}/good.csv --sizes 3,900": (
        "--sizes has no number from 4 (two texts of each class) to 32 (all training texts); give some, or all"
    ),
    "curve --data {home}/good.csv --seeds 0": "--seeds is 0; it must be from 1 to 1000",
    "curve --data {home}/good.csv --report-to wandb tensorboard": (
        "--report-to is tensorboard, whose files are in the run folder, and a curve keeps no run; give another tracker"
    ),
    "curve --data {home}/lonely.csv": "lonely.csv has too few texts to measure on; give more of each class",
    "curve --data {home}/good.csv --sizes 9 --json {home}/list.jsonl": (
        "list.jsonl, line 1, is not a training of a curve; give another file"
    ),
    "curve --data {home}/good.csv --sizes 9 --json {home}/hollow/no/curve.jsonl": (
        "hollow/no/curve.jsonl cannot be written (No such file or directory); give another path"
    ),
    "curve --data {home}/good.csv --sizes 9 --json {home}/curve.jsonl": (
        "curve.jsonl has trainings with other data; give the same as there, or another file"
    ),
    # Data.
    "train charlm --data {home}/text.txt --config {home}/soon.toml": "--budget 'soon'",
    "train charlm --data {home}/text.txt --out {home}/text.txt/run": "cannot be made (Not a directory); give another",
    "train charlm --data {home}/measured": "has no split 'train'; it has test",
    "train charlm --data ~nobody-here/text.txt": "cannot read ~nobody-here/text.txt (Could not determine home",
    "train charlm --data {home}/folder.csv/*": "matches no file; check the pattern",
    "train sentiment --data {home}/measured": "has no split 'train'; it has test",
    "train sentiment --data {home}/unlabelled.csv": "has no labelled texts in train; expected one per row",
    "train sentiment --data {home}/strange_label.jsonl": "has the label '[0, 1]'; it is 2 values, and a text",
    "train sentiment --data {home}/schema.parquet": "has the label 2, but its schema knows only bad, good; correct",
    "train sentiment --data {home}/odd_schema.parquet": (
        "names the class 'ba\\nd'; it has control characters or line ends: correct the schema, or choose another column"
    ),
    "train sentiment --data {home}/schemas": "name different classes (bad, good; good, bad); they must agree",
    "train sentiment --data {home}/parts": "has data in several sub-folders (one, two); name one of them",
    "train sentiment --data {home}/twice": "twice/train.jsonl are one split in several formats; keep one, or",
    "train sentiment --data {home}/nested": "letter.txt is plain text; for labels give csv, tsv, jsonl, parquet",
    "train sentiment --data {home}/numbers.jsonl": "row 1: column 'text' holds int, expected text; name another",
    "train sentiment --data {home}/long.csv": "has a line of more than 16,777,216 characters; expected one row per",
    "train sentiment --data {home}/empty.csv": "is empty; expected a header line with the names of the columns",
    "train sentiment --data {home}/wide.csv": "line 2: 3 fields, expected 2 as in the header (separated by commas);",
    "train sentiment --data {home}/empty.jsonl": "is empty; expected one JSON object per line",
    "train sentiment --data {home}/half.jsonl": "line 1: an escape stands for half a character ('\\ud83d'); write",
    "train sentiment --data {home}/no_json.jsonl": "line 1: not JSON (Expecting value",
    "train sentiment --data sample-reviews --pooling mean --lr-decay 2": (
        "--lr-decay is 2.0; it must be at least 0 and at most 1"
    ),
    f"train charlm --data {{home}}/noise.txt --steps 400 {LITTLE}": " for 50 steps, after a mean of ",
    f"train charlm --data {{home}}/text.txt --steps 9 --lr 1e30 --weight-decay 1e30 --checkpoint-every 1 {LITTLE}": (
        "has weights that are not finite"
    ),
    # Models.
    "evaluate {home}/bare": "bare does not say what it was trained on; give --data",
    "evaluate {home}/bare --dynamic": (
        "does not say what it was trained on; leave out --dynamic, which reads them, and give --data"
    ),
    "evaluate {home}/bare --data {home}/text.txt --dynamic": "does not say what it was trained on; leave out --dynamic",
    "evaluate {home}/lm --data {home}/one.txt": "the split has 1 tokens; to predict one from",
    "evaluate {home}/lm --data {home}/one.txt --dynamic": "the split has 1 tokens; to predict one from",
    "evaluate {home}/words --data {home}/one.txt": "the split has 1 tokens; to predict one from",
    "evaluate {home}/lm --dynamic --dynamic-lr 1e38": "it must be finite: give a smaller --dynamic-lr",
    "evaluate {home}/reviews --data {home}/measured --split train": (
        "has no split 'train'; it has test, as the name of a file or folder says: rename that, or add one"
    ),
    "evaluate {home}/reviews --data sample-reviews --data {home}/nothing.csv": "nothing.csv': no such file or folder",
    "evaluate {home}/lm --data {home}/text.txt --data {home}/measured --split train": "has no split 'train'; it has",
    "evaluate {home}/words --baseline": "--baseline means nothing for models of type ",
    "evaluate {home}/stranger --weights last": "stranger has no checkpoint; leave out --weights to measure the best",
    "predict {home}/reviews --explain --json {home}/none/out.json text": (
        "--json {home}/none/out.json cannot be written (No such file"
    ),
    "predict {home}/lm --explain text": "holds a model of type char_lm; a classifier is needed here",
    "predict {home}/reviews \udcff": r"the text holds half a character ('\udcff'); expected whole Unicode characters",
    "predict {home}/reviews --file {home}/no_label.csv --text-column review": "has no column 'review'; its columns are",
    # Ensembles.
    "ensemble": "the following arguments are required: RUN, --out; 'rnnnlp ensemble --help' lists the options",
    "ensemble {home}/reviews --out {home}/new": "runs has the length 1; an ensemble needs at least 2: give more",
    "ensemble {home}/reviews {home}/lm --out {home}/new": "holds a model of type char_lm; a classifier is needed here",
    "ensemble {home}/reviews {home}/nothing --out {home}/new": "nothing is not a folder",
    "ensemble {home}/reviews {home}/ensemble --out {home}/new": (
        "ensemble is an ensemble itself; give its members, {home}/ensemble/members/0 and so on, instead"
    ),
    "ensemble {home}/reviews {home}/good --out {home}/new": (
        "good has the labels bad, good and {home}/reviews has negative, positive; they must be the same in the same"
    ),
    "ensemble {home}/silent {home}/reviews --out {home}/new": "silent does not say what it was trained on; give --data",
    "ensemble {home}/mute {home}/mute --out {home}/new": "none of {home}/mute, {home}/mute is better than chance; give",
    "ensemble {home}/reviews {home}/other --out {home}/other --overwrite": (
        "other is, or holds, one of the runs of the ensemble; give"
    ),
    "ensemble {home}/reviews {home}/other --out {home}/lm": "lm already holds a run; give --overwrite to replace it",
    "ensemble {home}/reviews {home}/other --out {home}/stranger": "stranger is not empty and not a run; give the name",
    "ensemble {home}/reviews {home}/other --out {home}/new --data {home}/good.csv": "labels that the model does not",
    "ensemble {home}/reviews {home}/other --out {home}/new --text-column mark": "has no column 'mark'",
    "evaluate {home}/ensemble --weights last": "ensemble is an ensemble, which is not trained itself; give the",
    "evaluate {home}/ensemble --dynamic": "--dynamic means nothing for models of type ensemble, as {home}/ensemble is",
    "status {home}/ensemble": "ensemble is an ensemble, which is not trained itself; give the run of one",
    "train sentiment --resume {home}/ensemble": "ensemble is an ensemble, which is not trained itself; give the run",
    "generate {home}/ensemble": "holds a model of type ensemble; one of type char_lm is needed here",
    "plot {home}/ensemble --json -": "metrics.jsonl has no losses to draw; give the folder of a run that has trained",
    "plot --gradients --json - {home}/ensemble": "holds a model of type ensemble; one of type char_lm is needed here",
    # Exports.
    "export": "the following arguments are required: RUN, --out; 'rnnnlp export --help' lists",
    "export {home}/lm --out {home}/new": "one of the arguments --quantize --to is required; 'rnnnlp export --help'",
    "export {home}/lm --to onnx --quantize int8 --out {home}/new": (
        "argument --quantize: not allowed with argument --to; 'rnnnlp export --help' lists the options"
    ),
    "export {home}/lm --to onnx --out {home}/text.txt": (
        "--out {home}/text.txt is a file; give the name of a new folder"
    ),
    "export {home}/lm --to onnx --out {home}/new --data {home}/text.txt": (
        "--data means nothing beside --to: no figures are measured"
    ),
    "export {home}/lm --to onnx --out {home}/new --libraries {home}": "--libraries is for --to web; leave it out",
    "export {home}/lm --quantize int4 --out {home}/new": (
        "--quantize: invalid choice: 'int4' (choose from ... ; 'rnnnlp export --help' lists"
    ),
    "export {home}/nothing --quantize int8 --out {home}/new": "nothing is not a folder",
    "export {home}/lm --quantize int8 --out {home}/lm --overwrite": "lm is, or holds, the model that is exported; give",
    "export {home}/lm --quantize int8 --out {home}/other": "other already holds a run; give --overwrite to replace it",
    "export {home}/lm --quantize int8 --out {home}/stranger": "stranger is not empty and not a run; give the name of a",
    "export {home}/lm --quantize int8 --out {home}/new --data {home}/nothing.txt": "nothing.txt': no such file or",
    "export {home}/lm --quantize int8 --out {home}/new --label-column mark": "--label-column means nothing for models",
    "train sentiment --resume {home}/small": "small is an exported model with int8 weights and no checkpoint; give the",
    "evaluate {home}/small --weights last": "small is an exported model with int8 weights and no checkpoint; give the",
    "status {home}/small": "small is an exported model with int8 weights and no checkpoint; give the run that it is",
    # Pictures.
    "plot {home}/lm": "nothing to write; give --out FILE.png for a picture, or --json FILE for its numbers",
    "plot --json -": "there is no RUN to draw; give the folders of runs, or --gradients for untrained models",
    "plot {home}/lm --out {home}/curves": "curves; its name must end in .png, .svg, .pdf",
    "plot {home}/bare --json -": "metrics.jsonl has no losses to draw; give the folder of a run that has trained",
    "plot {home}/lm --json {home}/none/curves.json": "--json {home}/none/curves.json cannot be written (No such file",
    "plot --gradients {home}/lm --json - --steps 0": "--steps is 0; it must be at least 1",
    "plot --gradients {home}/bare --json -": "bare does not say what it was trained on; give --data",
    "plot --gradients {home}/lm --json - --steps 999": "tokens and 999 steps need 1999; give more text or fewer steps",
    "plot --gradients --json - --data {home}/text.txt --cells elman_relu --hidden-size 4 --steps 9 --scale 1e60": (
        "over 9 steps the gradients grow beyond any number; give fewer steps or a smaller scale"
    ),
    "plot --gradients --json - --cells lstn --data {home}/text.txt": "--cells has 'lstn'; it must be of lstm,",
    "plot --gradients --json - --data {home}/measured/test.csv": "it has test: name one of these, or give other data",
    "plot --gradients --json - --data {home}/tuning": "has no train text; it has validation: add one",
    "plot --gradients --json - --seed -1": "--seed is -1; it must be at least 0",
    "plot --gradients --json - {home}/reviews": "holds a model of type sentiment; one of type char_lm is needed here",
}

# A variable of the environment and its value, and what training a character model then says.
ENVIRONMENT = {
    "RNNNLP_BACKEND=gpu": "RNNNLP_BACKEND is gpu; it must be one of auto, numpy, native",
    "RNNNLP_ISA=mmx": "RNNNLP_ISA is mmx; it must be unset, or one of ",
    "RNNNLP_CACHE_LIMIT=much": "RNNNLP_CACHE_LIMIT is much; it must be a number of GB, at least 0",
}

# What is not installed, what was asked for, and what the one line says.
LACKING = {
    "onnxruntime": (
        "export {home}/lm --to onnx --out {home}/new",
        "ONNX files need onnx and onnxruntime ( ... is missing); pip install 'rnnnlp[onnx]'",
    ),
    "uvicorn": ("serve {home}/lm", "the server needs uvicorn; pip install 'rnnnlp[web]'"),
    "rnnnlp.kernels.native": (
        "train charlm --data {home}/text.txt --backend native",
        "--backend is native, which this installation was built without; install a C++17 compiler",
    ),
    "pydoc_data.topics": (
        "train charlm --data python-docs",
        "python-docs needs pydoc_data, which this Python lacks; install the full standard library",
    ),
    "matplotlib": (
        "plot {home}/lm --out {home}/curves.png",
        "pictures need matplotlib; pip install 'rnnnlp[plot]', or give --json instead",
    ),
    "shtab": ("--print-completion bash", "--print-completion needs shtab; pip install 'rnnnlp[completion]'"),
}
