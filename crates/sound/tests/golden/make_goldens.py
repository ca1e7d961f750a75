"""Makes the files of this folder: generated sounds, and the features that torchaudio computes of one of them.

Run in this folder: python make_goldens.py
"""

import numpy as np
import soundfile
import torch

# torchaudio refuses a torch that was built for another CUDA version; nothing here runs on a GPU.
torch.version.cuda = None
import torchaudio  # noqa: E402


def tone():
    """0.25 s of 440 Hz at 44.1 kHz on the left, silence on the right: the mean has half the loudness."""
    left = 0.5 * np.sin(2 * np.pi * 440 * np.arange(11025) / 44100)
    both = np.stack([left, np.zeros_like(left)], axis=1).astype(np.float32)
    soundfile.write("tone.flac", both, 44100, subtype="PCM_16")
    soundfile.write("tone.ogg", both, 44100, format="OGG", subtype="VORBIS")
    soundfile.write("tone.mp3", both, 44100, format="MP3", subtype="MPEG_LAYER_III")


def sweep():
    """0.25 s at 16 kHz: a tone that rises, in noise that fills all filters."""
    t = np.arange(4000) / 16000
    samples = 0.4 * np.sin(2 * np.pi * (200 * t + 10000 * t * t)) + 0.05 * np.random.default_rng(1).standard_normal(4000)
    whole = np.round(samples * 32768).astype(np.int16)
    soundfile.write("sweep.wav", whole, 16000, subtype="PCM_16")
    return torch.from_numpy(whole.astype(np.float32) / 32768)


def log_mel(samples, rate, window, hop, fft, mels, low, high, floor):
    """[T, mels]"""
    spectrogram = torchaudio.transforms.MelSpectrogram(
        sample_rate=rate, n_fft=fft, win_length=window, hop_length=hop, f_min=low, f_max=high, n_mels=mels,
        window_fn=torch.hann_window, power=2.0, center=False, norm=None, mel_scale="htk")
    return torch.log(torch.clamp(spectrogram(samples), min=floor)).T.contiguous()


def write(name, values):
    values.numpy().astype("<f4").tofile(name)


tone()
samples = sweep()
mel = log_mel(samples, 16000, 400, 160, 512, 80, 20.0, 8000.0, 1e-10)
write("mel_16k_80.f32", mel)
write("mel_8k_40.f32", log_mel(samples[:2000], 8000, 160, 100, 360, 40, 0.0, 3700.0, 1e-3))

# [T, 4] and twice its deltas of width 2, side by side.
static = mel[:, :4].T
first = torchaudio.functional.compute_deltas(static, win_length=5)
second = torchaudio.functional.compute_deltas(first, win_length=5)
write("deltas.f32", torch.cat([static, first, second]).T.contiguous())
print(torch.__version__, torchaudio.__version__, soundfile.__version__, soundfile.__libsndfile_version__, np.__version__)
