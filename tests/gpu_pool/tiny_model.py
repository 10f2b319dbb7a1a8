"""A Z-Image pipeline of a few kilobytes with random weights, and LoRA files for it: what the real engine is tested with.

``python -m tests.gpu_pool.tiny_model FOLDER`` makes one in FOLDER.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, ZImagePipeline, ZImageTransformer2DModel
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3Model

CHAT = "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"


def tokenizer() -> PreTrainedTokenizerFast:
    """One of a few hundred tokens, with a chat template."""
    bytes_of = Tokenizer(models.BPE(unk_token="<unk>"))  # noqa: S106  a token of text
    bytes_of.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=["<pad>", "<unk>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    bytes_of.train_from_iterator(["a lighthouse on the shore at dusk", "bread, rain and a tram"], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=bytes_of, pad_token="<pad>", unk_token="<unk>", chat_template=CHAT)  # noqa: S106


def build(folder: Path) -> Path:
    """Write the pipeline into *folder*; the same weights every time."""
    torch.manual_seed(11)
    words = tokenizer()
    reader = Qwen3Model(
        Qwen3Config(
            vocab_size=len(words),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            head_dim=16,
        )
    )
    transformer = ZImageTransformer2DModel(
        dim=32, n_layers=2, n_refiner_layers=1, n_heads=2, n_kv_heads=2, axes_dims=[8, 4, 4], axes_lens=[512, 64, 64], cap_feat_dim=32
    )
    for parameter in transformer.parameters():  # what starts at zero would draw the same whatever the prompt and the LoRA say
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    autoencoder = AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        block_out_channels=[8, 8, 8, 8],
        layers_per_block=1,
        latent_channels=16,
        norm_num_groups=4,
        scaling_factor=0.3611,
        shift_factor=0.1159,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )
    ZImagePipeline(FlowMatchEulerDiscreteScheduler(shift=3.0), autoencoder, reader, words, transformer).save_pretrained(folder)
    return folder


def lora(path: Path, seed: int = 3) -> Path:
    """A LoRA of rank 2 for all attention of that model."""
    torch.manual_seed(seed)
    weights = {}
    for layer in range(2):
        for part in ("to_q", "to_k", "to_v", "to_out.0"):
            place = f"transformer.layers.{layer}.attention.{part}"
            weights[f"{place}.lora_A.weight"] = torch.randn(2, 32)
            weights[f"{place}.lora_B.weight"] = torch.randn(32, 2)
    save_file(weights, path)
    return path


if __name__ == "__main__":
    build(Path(sys.argv[1]))
