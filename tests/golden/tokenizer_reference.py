"""tokenizer_reference.py write | compare PROGRAM [COUNT] [SEED]: the reference for plugins/samplers/tokenizer.

Needs the packages tokenizers, transformers, sentencepiece and protobuf; downloads nothing.
`write` trains small tokenizers of the classes that text encoders of diffusion models come with, and
writes them, variants of them, and the ids of the library `tokenizers` into the folder tokenizer_files/.
`compare` asks PROGRAM (build/tests/tokenize) for the ids of COUNT random texts under every
tokenizer and variant, also under one with SentencePiece's whole nmt_nfkc map, and counts how many
differ: 0 are expected.
"""
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import types
import unicodedata

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers.convert_slow_tokenizer import T5Converter

FOLDER = pathlib.Path(__file__).parent / "tokenizer_files"
CLIP = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
QWEN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
        r"|\s+(?!\S)|\s+")
CORPUS = """a red apple on a wooden table, studio lighting, 8k, highly detailed
a photo of a cat and a dog; they're playing in the snow, it's cold!
the astronaut's horse rides over the moon (oil painting by the sea), trending
two blue cubes next to three green spheres, 50mm, f/1.8, bokeh
ein Mädchen mit rotem Hut läuft über die Straße, große Gefühle
un château près de la forêt, l'été, à côté d'un étang très calme
İstanbul'da ışıklı bir gece, ılık rüzgâr ve çay
桜の木の下で本を読む女の子 東京の夜 中国山水画
큰 나무 아래에서 책을 읽는 소녀 ✨🌸 👩‍🎨 painting 🎨🎨
высокая гора на рассвете, туман, ультра реализм
a a a aaa aaaa the the theatre there then these""".splitlines()
ZWJ = "\U0001F469\u200D\U0001F469\u200D\U0001F467\u200D\U0001F466"
TEXTS = [
    "", " ", "   ", "\t\n\r\n", "\u00a0\u3000\u2003", "a", "A photo of a cat.", "  two  blanks   between  ",
    "it's they're I'VE we'll 'tis don't", "8k, 50mm f/1.8 3.14159 1000000 ½ ² ⅷ ٣٤٥", "naïve café", "nai\u0308ve cafe\u0301",
    "q\u0323\u0307 q\u0307\u0323 a\u0315\u0300\u05ae\u0300b \u1e9b\u0323", "İstanbul ISPARTA ılık iı", "Straße ẞ ΣΑΣ ΌΣΟΣ. Ǆ ŉ",
    "東京の夜、桜の木。中国山水画", "큰 나무 각 \u1100\u1161\u11a8", "Ｆｕｌｌ　ｗｉｄｔｈ １２３！？", "ﬁne ﬂuﬀ ™ № ℌ ㎏ ㌔ ﷺ",
    "🎨 👍🏽 🇩🇪🇫🇷 1️⃣ " + ZWJ, "\u200b\u200c\u200d\ufeff\u00ad\u2060x", "a\u0000b\u0001c\u001fd\u007fe\u0085f\u009fg",
    "line\u2028sep\u2029para\u000bvt\u000cff", "\ufffd\uffff\ue000\U0010ffff", "हिन्दी क्षत्रिय ไทยไทย العربية‎ עִבְרִית",
    "…—–‘quoted’ “double” «guillemets» ¿qué? ¡hola!", "$1+1=2^2`~<tag>|{}[]@#%&*_\\/", "tab\tseparated\tvalues\nnew line",
    "<s>text</s>", "<|startoftext|>a cat<|endoftext|> more", "[CLS] a [MASK] b [SEP]", "a <mask> b  <mask>  c<mask>d",
    "<extra_id_0> a <extra_id_1>", "<unk> [UNK] <pad>", "the day, theday, day the", "▁under▁score ▁▁ x", "x\u0301", "\u0301x", "\u0308 \u00a8 a",
    "e\u0301\u0327\u0301 1\ufe0f\u20e3 \r\n a\u200d", "pneumonoultramicroscopicsilicovolcanoconiosis" * 3, "\U0001F600" * 60,
    "a" * 10000, "ab " * 3333, " " * 10000, "é" * 5000 + "e\u0301" * 2500, "桜" * 10000,
]
MIXED = " ".join(text for text in TEXTS if len(text) < 500)
TEXTS += [(MIXED * 20)[:10000], MIXED]
LONG = 60  # ids; of longer answers the number and a hash are kept


def added(content: str, **flags) -> AddedToken:
    return AddedToken(content, **flags)


def train_bpe(size: int, **model) -> Tokenizer:
    suffix = model.get("end_of_word_suffix")
    tokenizer = Tokenizer(models.BPE(**model))
    clip = suffix is not None
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(CLIP), "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    ) if clip else pre_tokenizers.ByteLevel(add_prefix_space=False)
    options = {"end_of_word_suffix": suffix} if clip else {}
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                  show_progress=False, **options)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def with_byte_ends(tokenizer: Tokenizer) -> dict:
    """Every byte also as the last one of a word, as in CLIP's own vocabulary."""
    data = json.loads(tokenizer.to_str())
    vocab = data["model"]["vocab"]
    for byte in sorted(pre_tokenizers.ByteLevel.alphabet()):
        for token in (byte, byte + "</w>"):
            vocab.setdefault(token, len(vocab))
    return data


def clip() -> Tokenizer:
    data = with_byte_ends(train_bpe(700, end_of_word_suffix="</w>"))
    vocab = data["model"]["vocab"]
    for token in ("<|startoftext|>", "<|endoftext|>"):
        vocab[token] = len(vocab)
    data["model"]["unk_token"] = "<|endoftext|>"
    data["model"]["continuing_subword_prefix"] = ""
    tokenizer = Tokenizer.from_str(json.dumps(data))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    tokenizer.post_processor = processors.RobertaProcessing(
        ("<|endoftext|>", vocab["<|endoftext|>"]), ("<|startoftext|>", vocab["<|startoftext|>"]), False, False)
    tokenizer.add_special_tokens([added("<|startoftext|>", normalized=True), added("<|endoftext|>")])
    return tokenizer


def roberta() -> Tokenizer:
    tokenizer = train_bpe(600)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", added("<mask>", lstrip=True)])
    token = tokenizer.token_to_id
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", token("</s>")), ("<s>", token("<s>")))
    tokenizer.enable_padding(pad_id=token("<pad>"), pad_token="<pad>", length=24)
    tokenizer.enable_truncation(24)
    return tokenizer


def bert() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(
        CORPUS + TEXTS[:30], trainers.WordPieceTrainer(vocab_size=900, special_tokens=special, show_progress=False))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", tokenizer.token_to_id("[CLS]")), ("[SEP]", tokenizer.token_to_id("[SEP]"))])
    return tokenizer


def rules() -> str:
    """Rules in the manner of nmt_nfkc for a part of Unicode, so that the compiled map stays small."""
    lines = {}
    ranges = [(0xA0, 0x180), (0x1E00, 0x1E20), (0x2002, 0x2010), (0x2100, 0x2130), (0x3000, 0x3001), (0x3390, 0x33A0),
              (0xAC00, 0xAC10), (0xFB00, 0xFB07), (0xFF01, 0xFF5F)]
    for code in [c for low, high in ranges for c in range(low, high)]:
        folded = unicodedata.normalize("NFKC", chr(code))
        if folded != chr(code):
            lines[chr(code)] = folded
        parts = unicodedata.normalize("NFD", chr(code))
        if len(parts) > 1:
            lines[parts] = folded
    lines |= {chr(c): "" for c in [*range(1, 9), 11, *range(14, 32), 127, 143, 159, 0xAD]}
    lines |= {c: " " for c in "\t\n\f\r\u1680\u200b\u200e\u200f\u2028\u2029\ufeff\ufffd"}
    codes = lambda text: " ".join(f"{ord(c):X}" for c in text)
    return "".join(f"{codes(old)}\t{codes(new)}\n" for old, new in sorted(lines.items()))


def t5(folder: pathlib.Path, legacy: bool = True, full: bool = False) -> Tokenizer:
    (folder / "corpus.txt").write_text("\n".join(CORPUS * 3), encoding="utf-8")
    (folder / "rules.tsv").write_text(rules(), encoding="utf-8")
    rule = {"normalization_rule_name": "nmt_nfkc"} if full else {"normalization_rule_tsv": str(folder / "rules.tsv")}
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "corpus.txt"), model_prefix=str(folder / "t5"), vocab_size=400, model_type="unigram",
        pad_id=0, eos_id=1, unk_id=2, bos_id=-1, character_coverage=0.98, minloglevel=2, num_threads=1,
        hard_vocab_limit=False, **rule)
    processor = sentencepiece.SentencePieceProcessor(model_file=str(folder / "t5.model"))
    slow = types.SimpleNamespace(vocab_file=str(folder / "t5.model"), _extra_ids=5, legacy=legacy,
                                 convert_tokens_to_ids=processor.piece_to_id)
    tokenizer = T5Converter(slow).converted()
    tokenizer.add_special_tokens([f"<extra_id_{i}>" for i in range(5)] + ["<pad>", "</s>", "<unk>"])
    return tokenizer


def unigram_bytes(folder: pathlib.Path) -> Tokenizer:
    """Byte fallback, no map, and the scheme "first"."""
    data = json.loads(t5(folder).to_str())
    vocab = data["model"]["vocab"][:-5]
    data["model"]["vocab"] = vocab[:3] + [[f"<0x{b:02X}>", 0.0] for b in range(256)] + vocab[3:]
    data["model"]["byte_fallback"] = True
    data["normalizer"] = None
    data["added_tokens"] = [token for token in data["added_tokens"] if token["id"] < 3]
    tokenizer = Tokenizer.from_str(json.dumps(data))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    return tokenizer


def llama() -> Tokenizer:
    """BPE over characters with byte fallback and fused unknown tokens."""
    trainer = Tokenizer(models.BPE())
    trainer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer.train_from_iterator(CORPUS[:6], trainers.BpeTrainer(vocab_size=300, show_progress=False))
    data = json.loads(trainer.to_str())["model"]
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)] + list(data["vocab"])
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)},
                                     merges=[tuple(pair) for pair in data["merges"]],
                                     unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B",
                                                             special_tokens=[("<s>", 1)])
    return tokenizer


def probe() -> Tokenizer:
    """Every byte is a token of its own, the last one of a word another: ids show text and cuts alike."""
    data = with_byte_ends(Tokenizer(models.BPE(end_of_word_suffix="</w>")))
    tokenizer = Tokenizer.from_str(json.dumps(data))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return tokenizer


def variants(bases: dict) -> dict:
    """Name -> (tokenizer it is based on, what is put in the place of its parts)."""
    part = lambda thing: json.loads(thing.__getstate__())
    n, p = normalizers, pre_tokenizers
    ends = p.ByteLevel(add_prefix_space=False, use_regex=False)
    normal = lambda *parts: {"normalizer": part(n.Sequence(list(parts)))}
    cut = lambda *parts: {"pre_tokenizer": part(p.Sequence([*parts, ends]))}
    token = lambda id, content, **flags: {"id": id, "content": content, "single_word": False, "lstrip": False,
                                         "rstrip": False, "normalized": False, "special": False} | flags
    first = p.Metaspace(prepend_scheme="first")
    found = {
        "gpt2": ("roberta", {"pre_tokenizer": part(p.ByteLevel(add_prefix_space=False)), "truncation": None,
                             "padding": None, "post_processor": part(processors.ByteLevel())}),
        "roberta without limits": ("roberta", {"truncation": None, "padding": None}),
        "llama 3's processors": ("roberta", {"truncation": None, "padding": None, "post_processor": part(
            processors.Sequence([processors.ByteLevel(), processors.TemplateProcessing(
                single="<s> $A", pair="$A $B", special_tokens=[("<s>", 600)])]))}),
        "bert cased": ("bert", normal(n.BertNormalizer(lowercase=False)) | {
            "post_processor": part(processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2)))}),
        "bert with accents": ("bert", normal(n.BertNormalizer(strip_accents=False))),
        "bert unclean": ("bert", normal(n.BertNormalizer(clean_text=False, handle_chinese_chars=False))),
        "short words": ("bert", {"model": {"max_input_chars_per_word": 4}}),
        "t5 of transformers 5": ("t5", {"pre_tokenizer": part(p.Sequence([p.WhitespaceSplit(), p.Metaspace()]))}),
        "t5 first": ("t5", {"pre_tokenizer": part(first)}),
        "t5 never": ("t5", {"pre_tokenizer": part(p.Metaspace(prepend_scheme="never", split=False))}),
        "no fused unknowns": ("llama", {"model": {"fuse_unk": False, "byte_fallback": False}}),
        "whole words": ("llama", {"model": {"ignore_merges": True}}),
        "no unknowns": ("llama", {"model": {"unk_token": None, "byte_fallback": False}}),
        "gemma": ("llama", {"normalizer": part(n.Replace(" ", "▁")),
                            "pre_tokenizer": part(p.Split(" ", "merged_with_previous"))}),
        "qwen": ("roberta", {"truncation": None, "padding": None, "normalizer": part(n.NFC()), "pre_tokenizer": part(
            p.Sequence([p.Split(Regex(QWEN), "isolated"), p.ByteLevel(add_prefix_space=False, use_regex=False)]))}),
        "strip": ("probe", normal(n.Strip(), n.Replace(Regex(" {2,}"), "▁"))),
        "strip left": ("probe", normal(n.Strip(right=False), n.Prepend("<")) | cut(p.WhitespaceSplit(), first)),
        "strip right": ("probe", normal(n.Strip(left=False), n.Replace("a", "")) | cut(first)),
        "nfkc, first": ("probe", normal(n.NFKC()) | cut(p.WhitespaceSplit(), first)),
        "nfkd, no accents": ("probe", normal(n.NFKD(), n.StripAccents(), n.Lowercase())),
        "bert, first": ("probe", normal(n.BertNormalizer()) | cut(p.BertPreTokenizer(), first)),
        "map, first": ("probe", {"normalizer": bases["t5"]["normalizer"]["normalizers"][0]} | cut(p.WhitespaceSplit(), first)),
        "nmt": ("probe", normal(n.Nmt())),
        "lower": ("probe", normal(n.Lowercase()) | cut(p.Whitespace())),
        "whitespace": ("probe", cut(p.Whitespace())),
        "digits": ("probe", cut(p.Digits(individual_digits=False))),
        "single digits": ("probe", cut(p.Digits(individual_digits=True))),
        "words": ("probe", cut(p.Split(Regex(r"\w+|[^\w\s]+"), "isolated"))),
        "classes": ("probe", cut(p.Split(Regex(r"[a-f\-\[]+|[^\W\d_]|\u00e9|\x41(?=\p{Ll})|(?<=\d)\v?\."), "isolated"))),
        "capitals": ("probe", cut(p.Split(Regex(r"(?=\p{Lu})"), "isolated"))),
        "a literal": ("probe", cut(p.Split("a", "merged_with_next", invert=True))),
        "added": ("probe", normal(n.Lowercase()) | {"added_tokens": [
            token(512, "cat", single_word=True), token(513, "DAY", normalized=True, rstrip=True),
            token(514, "day the", normalized=True), token(515, "<mask>", lstrip=True, rstrip=True),
            token(516, "\U0001F3A8"), token(517, "<s"), token(518, "<s>"), token(519, "the", normalized=True,
                                                                                    single_word=True)]}),
    }
    for behavior in ("removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"):
        found["punctuation " + behavior] = ("probe", cut(p.Punctuation(behavior)))
        found["runs " + behavior] = ("probe", cut(p.Split(Regex(r"\p{Ll}|\s"), behavior)))
    for name, form in {"nfc": n.NFC(), "nfd": n.NFD(), "nfkc": n.NFKC(), "nfkd": n.NFKD()}.items():
        found[name] = ("probe", normal(form))
    return found


def patched(base: dict, patch: dict) -> dict:
    """The model as in RFC 7386, other parts as a whole; null takes a part away."""
    out = dict(base)
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = patched(base.get(key) or {}, value) if isinstance(value, dict) and key == "model" else value
    return out


def clean(tokenizer: Tokenizer) -> dict:
    return json.loads(tokenizer.to_str())


def train(folder: pathlib.Path) -> dict:
    return {"clip": clean(clip()), "roberta": clean(roberta()), "bert": clean(bert()), "t5": clean(t5(folder)),
            "unigram_bytes": clean(unigram_bytes(folder)), "llama": clean(llama()), "probe": clean(probe())}


def every(bases: dict) -> dict:
    """All tokenizers by name."""
    whole = dict(bases)
    for name, (base, patch) in variants(bases).items():
        whole[name] = patched(bases[base], patch)
    return whole


def fnv(ids: list) -> str:
    value = 0xCBF29CE484222325
    for number in ids:
        value = (value ^ number) * 0x100000001B3 % 2**64
    return f"{value:016x}"


def short(ids: list):
    return ids if len(ids) <= LONG else [len(ids), fnv(ids)]


def fixed(tokenizer: Tokenizer, text: str, length: int, pad: int, side: str) -> list:
    tokenizer.enable_truncation(length, direction=side)
    tokenizer.enable_padding(direction=side, pad_id=pad, length=length)
    encoding = tokenizer.encode(text)
    return [encoding.ids, encoding.attention_mask]


def write() -> None:
    FOLDER.mkdir(exist_ok=True)
    dump = lambda data: json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    with tempfile.TemporaryDirectory() as folder:
        bases = train(pathlib.Path(folder))
    names = every(bases)
    for name, data in bases.items():
        (FOLDER / f"{name}.json").write_text(dump(data) + "\n", encoding="utf-8")
    expected = {"texts": TEXTS, "tokenizers": []}
    known = variants(bases)
    for name, data in names.items():
        tokenizer = Tokenizer.from_str(json.dumps(data))
        entry = {"name": name, "base": known[name][0] if name in known else name,
                 "patch": known[name][1] if name in known else {},
                 "ids": [short(tokenizer.encode(text).ids) for text in TEXTS], "fixed": []}
        if name in bases and name != "roberta":
            for text, length, pad in ((6, 12, 0), (34, 16, 1), (len(TEXTS) - 1, 77, 7), (0, 5, 2), (6, 2, 3)):
                if length >= len(tokenizer.encode("").ids):
                    entry["fixed"].append([text, length, pad] + fixed(tokenizer, TEXTS[text], length, pad, "right"))
        expected["tokenizers"].append(entry)
    lines = [dump(entry) for entry in expected["tokenizers"]]
    (FOLDER / "expected.json").write_text(
        '{"texts":' + dump(TEXTS) + ',\n"tokenizers":[\n' + ",\n".join(lines) + "\n]}\n", encoding="utf-8")


def random_text(source: random.Random, assigned: list) -> str:
    special = ["<|endoftext|>", "<s>", "</s>", "<mask>", "[MASK]", "<extra_id_1>", "cat", "day the", "the", "▁", "'s", "\r\n",
               "\u0301", "\u0323", "\u200d", "\ufe0f", "\U0001F469\u200D\U0001F467", " ", "  ", "\t", ".", ",", "#", "A", "é"]
    pick = [lambda: source.choice("abcdefghij klmnop qrstuvwxyz ABCDE 0123456789.,'!-"), lambda: source.choice(special),
            lambda: chr(source.choice(assigned)), lambda: chr(source.randrange(0x20, 0x250)),
            lambda: chr(source.choice([*range(0x300, 0x370), *range(0x1100, 0x1200), *range(0xAC00, 0xAC40)])),
            lambda: chr(source.choice([*range(0x900, 0xE00), *range(0x2000, 0x2070), *range(0xFB00, 0xFB50)])),
            lambda: chr(source.choice([*range(0x4E00, 0x4E40), *range(0x3040, 0x30FF), *range(0xFF00, 0xFFEF)])),
            lambda: chr(source.choice([*range(0x1F300, 0x1F650), *range(0x1F1E6, 0x1F200), *range(0, 0x20)]))]
    weights = [source.random() ** 3 + 1e-3 for _ in pick]
    return "".join(source.choices(pick, weights)[0]() for _ in range(source.randrange(1, 60)))


def compare(program: str, count: int = 2000, seed: int = 1) -> int:
    # Characters of Unicode 14 as Python has them: the libraries at hand may not agree on later ones.
    assigned = [c for c in range(0x110000) if unicodedata.category(chr(c)) not in ("Cn", "Cs")]
    source = random.Random(seed)
    texts = [random_text(source, assigned) for _ in range(count)]
    few = [c for c in assigned if c < 0x20000]  # and all of these, sixteen to a text
    texts += ["x" + "x".join(map(chr, few[i:i + 16])) for i in range(0, len(few), 16)]
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        bases = train(folder)
        names = every(bases)
        names["t5 with nmt_nfkc"] = clean(t5(folder, full=True))
        names["t5 with nmt_nfkc, not legacy"] = clean(t5(folder, legacy=False, full=True))
        for name, data in names.items():
            tokenizer = Tokenizer.from_str(json.dumps(data))
            (folder / "tokenizer.json").write_text(json.dumps(data), encoding="utf-8")
            run = subprocess.run([program, str(folder / "tokenizer.json")], text=True, capture_output=True,
                                 input="".join(json.dumps(text) + "\n" for text in texts))
            got = run.stdout.splitlines()
            bad = [(text, answer) for text, answer in zip(texts, got)
                   if answer != json.dumps(tokenizer.encode(text).ids, separators=(",", ":"))]
            wrong += len(bad) + len(texts) - len(got)
            print(f"{name}: {len(texts)} texts, {len(bad)} differ{run.stderr}", flush=True)
            for text, answer in bad[:3]:
                print("  ", ascii(text)[:200], answer[:200], tokenizer.encode(text).ids[:40])
    print(f"{wrong} mismatches")
    return wrong


if __name__ == "__main__":
    if sys.argv[1:2] == ["write"]:
        write()
    elif sys.argv[1:2] == ["compare"]:
        sys.exit(compare(sys.argv[2], *map(int, sys.argv[3:])) > 0)
    else:
        sys.exit(__doc__)
