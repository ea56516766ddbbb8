"""Distil the text side of `mini`: a sentence model becomes a static table of token vectors, int8.

    python examples/make_mini/distill_text.py --sentence-model all-MiniLM-L6-v2/ --captions audiocaps_train.csv \
        --out weights/

--sentence-model is a folder of a BERT-like sentence model with mean pooling (all-MiniLM-L6-v2, Apache-2.0); --captions
a CSV with a `caption` column (AudioCaps, Kim et al. 2019, MIT). What is written: `mini_text.safetensors` (table int8
and a scale a row) and `mini_vocabulary.txt`. Encoding takes some ten minutes of one CPU core, once (the vectors are
kept in --work); the distillation itself under two.
"""

import argparse
import csv
import json
import random
import unicodedata
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save

from mmasc.encoders.mini_text import WordPiece, split_words

BATCH = 512
EPOCHS = 6
LEARNING_RATE = 3e-3


def encode(folder: Path, texts: list[str]) -> np.ndarray:
    """Sentence vectors of texts, unit length: mean over tokens of the last layer (the model's own pooling)."""
    from transformers import AutoModel, AutoTokenizer

    pooling = json.loads((folder / "1_Pooling" / "config.json").read_text())
    if not pooling["pooling_mode_mean_tokens"]:
        raise SystemExit(f"{folder} does not pool by the mean over tokens")
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModel.from_pretrained(folder, local_files_only=True).eval()
    order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
    vectors = np.empty((len(texts), model.config.hidden_size), np.float32)
    with torch.inference_mode():
        for start in range(0, len(order), 64):
            part = order[start : start + 64]
            tokens = tokenizer([texts[number] for number in part], padding=True, truncation=True, return_tensors="pt")
            hidden = model(**tokens).last_hidden_state
            mask = tokens["attention_mask"].unsqueeze(-1).float()
            vectors[part] = F.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1).numpy()
            if start % 6_400 == 0:
                print(f"{start} of {len(order)} texts", flush=True)
    return vectors


def usable_tokens(folder: Path) -> tuple[list[str], list[int]]:
    """The model's tokens that English text can hold (no [unused], no other alphabets) and their frequency ranks."""
    vocabulary = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
    kept = [
        (token, number)
        for number, token in enumerate(vocabulary)
        if token
        and not (token.startswith("[") and len(token) > 1)
        and all(
            character.isascii() or "LATIN" in unicodedata.name(character, "")
            for character in token
            if character.isalpha()
        )
        and all(character.isascii() or character.isalpha() for character in token)
    ]
    return [token for token, _ in kept], [number for _, number in kept]


def draw_texts(captions: Path, n_captions: int, n_spans: int, seed: int) -> list[str]:
    """Random captions, and random spans of one to four words out of the captions: labels are short, captions long."""
    with captions.open(newline="", encoding="utf-8") as file:
        sentences = sorted({row["caption"].strip() for row in csv.DictReader(file)} - {""})
    generator = random.Random(seed)
    generator.shuffle(sentences)
    spans: set[str] = set()
    while len(spans) < n_spans:
        words = split_words(generator.choice(sentences))
        length = generator.randint(1, 4)
        start = generator.randrange(max(1, len(words) - length + 1))
        spans.add(" ".join(words[start : start + length]))
    return sentences[:n_captions] + sorted(spans)


def distil(
    texts: list[str], teacher: np.ndarray, tokens: list[str], ranks: list[int], token_vectors: np.ndarray, dim: int
) -> np.ndarray:
    """Train the rows so that their mean points the way of the sentence vector (cosine loss) in `dim` dimensions."""
    both = np.concatenate([teacher, token_vectors])
    centre = both.mean(0)
    _, _, directions = np.linalg.svd(both - centre, full_matrices=False)
    target = torch.from_numpy((teacher - centre) @ directions[:dim].T)
    rows = (token_vectors - centre) @ directions[:dim].T * np.log1p(ranks)[:, None] / 10
    table = torch.nn.EmbeddingBag.from_pretrained(torch.from_numpy(rows.astype(np.float32)), freeze=False, mode="mean")
    tokenizer = WordPiece(tokens)
    pieces = [torch.tensor(tokenizer(text)) for text in texts]
    readable = [number for number, piece in enumerate(pieces) if len(piece)]
    optimizer = torch.optim.Adam(table.parameters(), LEARNING_RATE)
    n_steps = EPOCHS * (len(readable) // BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / n_steps)
    generator = torch.Generator().manual_seed(0)
    for epoch in range(EPOCHS):
        losses = []
        for part in torch.tensor(readable)[torch.randperm(len(readable), generator=generator)].split(BATCH)[:-1]:
            chosen = [pieces[number] for number in part.tolist()]
            offsets = torch.tensor([0] + [len(piece) for piece in chosen[:-1]]).cumsum(0)
            loss = 1 - F.cosine_similarity(table(torch.cat(chosen), offsets), target[part]).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        print(f"epoch {epoch + 1}: 1 - cosine {np.mean(losses):.4f}", flush=True)
    return table.weight.detach().numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentence-model", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--captions", type=Path, required=True, metavar="CSV")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="folder for the vectors of the sentence model")
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--n-captions", type=int, default=20_000)
    parser.add_argument("--n-spans", type=int, default=30_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    work = options.work or options.out
    work.mkdir(parents=True, exist_ok=True)
    options.out.mkdir(parents=True, exist_ok=True)

    tokens, ranks = usable_tokens(options.sentence_model)
    texts = draw_texts(options.captions, options.n_captions, options.n_spans, options.seed)
    kept = work / f"sentence_vectors_{options.n_captions}_{options.n_spans}_{options.seed}.npy"
    if not kept.exists():
        bare = [token.removeprefix("##") for token in tokens]
        np.save(kept, encode(options.sentence_model, bare + texts))
    vectors = np.load(kept)
    rows = distil(texts, vectors[len(tokens) :], tokens, ranks, vectors[: len(tokens)], options.dim)

    scale = np.abs(rows).max(1) / 127
    table = np.round(rows / scale[:, None]).astype(np.int8)
    config = {"kind": "mmasc-text-table", "dim": options.dim, "seed": options.seed, "teacher": "all-MiniLM-L6-v2"}
    path = options.out / "mini_text.safetensors"
    path.write_bytes(save({"table": table, "scale": scale.astype(np.float32)}, {"config": json.dumps(config)}))
    (options.out / "mini_vocabulary.txt").write_text("".join(f"{token}\n" for token in tokens), encoding="utf-8")
    print(f"{len(tokens)} tokens, {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
