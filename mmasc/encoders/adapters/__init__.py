"""Encoders of other packages, as they are saved by them: each file here makes an `Encoder` of one package's models.

Loads none of them; `ADAPTERS` says what there is.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Adapter:
    """A package whose models are encoders.

    Attributes:
        name: What stands before the colon.
        takes: What stands after it.
        target: "module:Class", imported when an encoder is loaded.
        describe: "module:function" that knows a specification without loading weights; "" where there is none.
        description: One line for `mmasc models list`.
    """

    name: str
    takes: str
    target: str
    describe: str
    description: str


ADAPTERS: dict[str, Adapter] = {
    one.name: one
    for one in [
        Adapter(
            "transformers",
            "FOLDER|REPO@REVISION",
            "mmasc.encoders.adapters.transformers_models:TransformersEncoder",
            "mmasc.encoders.adapters.transformers_files:describe",
            "models of the package transformers: CLAP and PE-AV (sound and text), AST, Wav2Vec2, HuBERT, WavLM (sound)",
        ),
        Adapter(
            "sentence-transformers",
            "FOLDER|REPO@REVISION",
            "mmasc.encoders.adapters.sentence_transformers_models:SentenceTransformersEncoder",
            "",
            "models of the package sentence-transformers that understand sound (extra: sentence-transformers)",
        ),
        Adapter(
            "open_clip",
            "FOLDER|REPO@REVISION",
            "mmasc.encoders.adapters.open_clip_models:OpenClipEncoder",
            "",
            "models of the package open_clip: a space of texts and pictures, no sound",
        ),
        Adapter(
            "onnx",
            "FILE",
            "mmasc.encoders.adapters.onnx_models:OnnxEncoder",
            "mmasc.encoders.adapters.onnx_about:describe",
            "ONNX files with a YAML file that says rate, window and names: BirdNET, Perch, YAMNet (extra: onnx)",
        ),
    ]
}
