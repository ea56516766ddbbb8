"""What published encoders were trained on, as their papers and model cards say. Facts only: no code, no torch."""

from mmasc.encoders.spec import TrainingSet

_ESC10 = TrainingSet("ESC-10", "CC0, CC BY, CC Sampling+ by file", "folds 1 to 4, 320 recordings", "esc")
_AMBIENT = (
    TrainingSet("AntumMT/mod-sounds", "CC0, CC BY, CC BY-SA by file", "259 recordings"),
    TrainingSet("remvze/moodist", "Pixabay Content License or CC0, not said by file", "82 recordings"),
    TrainingSet("OpenTTD/OpenSFX", "CC BY 3.0, CC0, CC BY-SA 3.0 by file", "39 recordings"),
    TrainingSet("runsy/petz", "CC0, CC BY, public domain by file", "32 recordings"),
    TrainingSet("lincity-ng", "GPL-2.0 or CC BY-SA 2.0", "23 recordings"),
    TrainingSet("OpenRCT2/OpenSoundEffects", "CC BY 4.0", "18 recordings"),
    TrainingSet("mateusfg7/Noisekun", "CC0, CC BY by file", "16 recordings"),
    TrainingSet("minetest_game, whynot-game", "CC0, CC BY-SA by file", "8 recordings"),
    TrainingSet("sonic-pi", "CC0", "5 recordings"),
    TrainingSet("AudioCaps", "MIT", "captions, no sound: the text side"),
)
# weights/mini_card.md; weights/mini_attribution.csv names every file with its author and licence
MINI_STRICT = _AMBIENT
MINI = (_ESC10, *_AMBIENT)

# weights/base_card.md; weights/base_attribution.csv names every file or package with its author and licence
_PACKAGES = (
    TrainingSet("sounds of Debian packages", "GPL, CC BY-SA, CC BY, CC0, MIT by file", "labelled recordings"),
    TrainingSet(
        "sounds of Debian packages", "GPL, CC BY-SA, CC BY, CC0 by package", "without labels, heard by a teacher"
    ),
    TrainingSet("FluidR3, freepats", "MIT, GPL-2.0 or later", "phrases rendered by rule"),
    TrainingSet("AudioSet", "labels CC BY 4.0, sounds of their uploaders", "only by way of the teacher, YAMNet"),
)
BASE_STRICT = (*_AMBIENT, *_PACKAGES)
BASE = (*MINI, *_PACKAGES)

# Audio Set: Gemmeke et al. 2017; the sounds are of their uploaders
AUDIOSET = TrainingSet("AudioSet", "labels CC BY 4.0, sounds of their uploaders", "", "audioset")
# Guzhov et al. 2021, arXiv:2106.13043, section 4; the towers of text and pictures are those of CLIP (Radford et al.
# 2021). The released weights are those before fine-tuning on ESC-50 and UrbanSound8K.
AUDIOCLIP = (AUDIOSET, TrainingSet("WebImageText", "not published", "texts and pictures, no sound"))
# Wu et al. 2023, arXiv:2211.06687, section 2.2; HTSAT begins from weights of AudioSet. Of Freesound, what ESC-50,
# FSD50K, UrbanSound8K and Clotho hold was left out (LAION-AI/audio-dataset, "Freesound (no overlap)").
_CLAP_ALWAYS = (
    TrainingSet(
        "LAION-Audio-630K",
        "research use; terms of BBC, Freesound, Epidemic Sound and others",
        "without the Freesound clips of ESC-50, FSD50K, UrbanSound8K and Clotho",
    ),
    TrainingSet("AudioCaps", "captions MIT, sounds of AudioSet", "", "audioset"),
    TrainingSet("Clotho", "Tampere University licence, non-commercial; sounds CC by file"),
)
CLAP = (*_CLAP_ALWAYS, AUDIOSET)
# LAION-AI/CLAP, notes on the larger models of April 2023
_MUSIC_SPEECH = TrainingSet("music and speech", "not published", "collections that are not listed")
CLAP_MUSIC_SPEECH = (*_CLAP_ALWAYS, _MUSIC_SPEECH)
CLAP_GENERAL = (*_CLAP_ALWAYS, _MUSIC_SPEECH, AUDIOSET)
