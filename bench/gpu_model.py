"""A Z-Image of full size with random weights: as fast and as large as the published one, and its pictures mean nothing.

``python -m bench.gpu_model FOLDER`` makes one (20 GB). Its sizes are those of the published configuration of Z-Image-Turbo: a transformer
of 6 billion parameters, the text encoder Qwen3-4B, the autoencoder of FLUX.1. Its tokenizer is a small one that is trained here.
"""

# pyright: reportPrivateImportUsage=false, reportArgumentType=false

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, ZImagePipeline, ZImageTransformer2DModel
from transformers import Qwen3Config, Qwen3Model

from tests.gpu_pool import tiny_model

TRANSFORMER: dict[str, Any] = {
    "dim": 3840,
    "n_layers": 30,
    "n_refiner_layers": 2,
    "n_heads": 30,
    "n_kv_heads": 30,
    "cap_feat_dim": 2560,
    "axes_dims": [32, 48, 48],
    "axes_lens": [1536, 512, 512],
}
READER: dict[str, Any] = {
    "vocab_size": 151936,
    "hidden_size": 2560,
    "intermediate_size": 9728,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
}
AUTOENCODER: dict[str, Any] = {
    "in_channels": 3,
    "out_channels": 3,
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "block_out_channels": [128, 256, 512, 512],
    "layers_per_block": 2,
    "latent_channels": 16,
    "norm_num_groups": 32,
    "scaling_factor": 0.3611,
    "shift_factor": 0.1159,
    "use_quant_conv": False,
    "use_post_quant_conv": False,
}
SPREAD = 0.02
"""Standard deviation of the weights, as models are initialised."""


def build(folder: Path) -> Path:
    """Write the pipeline into *folder*, made on the GPU where there is one; the same weights every time on the same device."""
    torch.manual_seed(11)
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
            transformer = ZImageTransformer2DModel(**TRANSFORMER)
            reader = Qwen3Model(Qwen3Config(**READER))
            autoencoder = AutoencoderKL(**AUTOENCODER)
    finally:
        torch.set_default_dtype(torch.float32)
    for parameter in transformer.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=SPREAD)
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    ZImagePipeline(scheduler, autoencoder, reader, tiny_model.tokenizer(), transformer).save_pretrained(folder)
    return folder


if __name__ == "__main__":
    build(Path(sys.argv[1]))
