"""Folders with small random models of the real classes of other packages, as these packages save them."""

import json
from pathlib import Path

import torch

SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
WORDS = ["rain", "dog", "a", "barking", "sea", "waves", "on", "beach"]


def write_card(folder: Path, licence: str) -> None:
    (folder / "README.md").write_text(f"---\nlicense: {licence}\n---\nA model of a test.\n")


def tokenizer():
    """Words of a table, begin and end marked as RoBERTa does."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    table = {token: number for number, token in enumerate([*SPECIAL, *WORDS])}
    tokens = Tokenizer(models.WordLevel(table, unk_token="<unk>"))
    tokens.pre_tokenizer = pre_tokenizers.Whitespace()
    tokens.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>", "cls_token": "<s>"}
    return PreTrainedTokenizerFast(tokenizer_object=tokens, model_max_length=20, **names)


def randomised(model):
    """Weights by a seed, large enough that different sounds have different vectors."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, one in sorted(model.named_parameters()):
            if one.ndim > 1:
                one.copy_(torch.randn(one.shape, generator=generator) * 0.3)
            elif "bias" in name:
                one.copy_(torch.randn(one.shape, generator=generator) * 0.1)
    return model.eval()


def make_clap(folder: Path, licence: str = "cc-by-nc-4.0", fused: bool = False) -> Path:
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, ClapProcessor

    audio = {
        "hidden_size": 32,
        "num_attention_heads": [2, 2],
        "num_hidden_layers": 2,
        "depths": [1, 1],
        "patch_embeds_hidden_size": 16,
        "spec_size": 64,
        "window_size": 4,
        "num_mel_bins": 16,
        "projection_dim": 12,
        "enable_fusion": fused,
    }
    text = {
        "vocab_size": 13,
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "max_position_embeddings": 24,
        "pad_token_id": 1,
    }
    torch.manual_seed(0)
    model = ClapModel(ClapConfig(audio_config=audio, text_config=text, projection_dim=12))
    randomised(model).save_pretrained(folder)
    extractor = ClapFeatureExtractor(
        feature_size=16,
        sampling_rate=8_000,
        hop_length=80,
        max_length_s=2,
        fft_window_size=256,
        frequency_max=4_000,
        truncation="fusion" if fused else "rand_trunc",
    )
    ClapProcessor(extractor, tokenizer()).save_pretrained(folder)
    write_card(folder, licence)
    return folder


def make_ast(folder: Path) -> Path:
    from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    torch.manual_seed(0)
    config = ASTConfig(**sizes, num_mel_bins=16, max_length=100, patch_size=8, frequency_stride=8, time_stride=8)
    randomised(ASTForAudioClassification(config)).save_pretrained(folder)
    ASTFeatureExtractor(num_mel_bins=16, max_length=100).save_pretrained(folder)
    write_card(folder, "bsd-3-clause")
    return folder


def make_wav2vec2(folder: Path, kind: str = "Wav2Vec2") -> Path:
    """Wav2Vec2, Hubert or WavLM."""
    import transformers

    config = getattr(transformers, f"{kind}Config")(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=(8, 8),
        conv_kernel=(10, 8),
        conv_stride=(5, 4),
        num_feat_extract_layers=2,
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
    )
    torch.manual_seed(0)
    randomised(getattr(transformers, f"{kind}Model")(config)).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(sampling_rate=16_000, do_normalize=True).save_pretrained(folder)
    return folder


PE_TEXT = {
    "model_type": "modernbert",
    "vocab_size": 13,
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "pad_token_id": 1,
    "max_position_embeddings": 64,
}
PE_AUDIO = {
    "dac_config": {
        "downsampling_ratios": [2, 4],
        "encoder_hidden_size": 4,
        "codebook_dim": 8,
        "hidden_size": 16,
        "hop_length": 8,
    },
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "head_dim": 8,
}


def make_pe_audio(folder: Path) -> Path:
    from transformers import PeAudioConfig, PeAudioFeatureExtractor, PeAudioModel

    torch.manual_seed(0)
    model = PeAudioModel(PeAudioConfig(text_config=PE_TEXT, audio_config=PE_AUDIO))
    randomised(model).save_pretrained(folder)
    PeAudioFeatureExtractor(sampling_rate=8_000, hop_length=8).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def make_pe_audio_video(folder: Path) -> Path:
    from transformers import PeAudioFeatureExtractor, PeAudioVideoConfig, PeAudioVideoModel, PeVideoVideoProcessor

    side = {key: value for key, value in PE_AUDIO.items() if key != "dac_config"}
    vision = {
        "architecture": "vit_tiny_patch16_224",
        "do_pooling": True,
        "num_classes": 16,
        "model_args": {"img_size": 32, "embed_dim": 16, "depth": 1, "num_heads": 2},
    }
    both = {**side, "audio_config": PE_AUDIO, "video_config": {**side, "vision_config": vision}}
    torch.manual_seed(0)
    model = PeAudioVideoModel(PeAudioVideoConfig(text_config=PE_TEXT, audio_video_config=both))
    randomised(model).save_pretrained(folder)
    PeAudioFeatureExtractor(sampling_rate=8_000, hop_length=8).save_pretrained(folder)
    steps = {"do_resize": True, "do_rescale": True, "do_normalize": True}
    PeVideoVideoProcessor(
        size={"height": 32, "width": 32}, image_mean=[0.5] * 3, image_std=[0.5] * 3, **steps
    ).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def make_open_clip(folder: Path) -> Path:
    import open_clip
    from safetensors.torch import save_file

    folder.mkdir()
    about = {
        "embed_dim": 12,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 16, "patch_size": 16, "head_width": 8},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
    }
    preprocess = {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": about, "preprocess_cfg": preprocess}))
    torch.manual_seed(0)
    model = randomised(open_clip.CLIP(**about))
    save_file(
        {key: value.contiguous() for key, value in model.state_dict().items()}, folder / "open_clip_model.safetensors"
    )
    write_card(folder, "mit")
    return folder


def make_sentence_transformers(folder: Path, clap: Path) -> Path:
    """CLAP inside sentence-transformers."""
    from sentence_transformers import SentenceTransformer

    SentenceTransformer(str(clap), device="cpu", local_files_only=True).save_pretrained(str(folder))
    return folder
