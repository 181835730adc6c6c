"""Made the .ckpt files here with PyTorch 2.15.0: the reader is tested on what the original writes."""
import torch

torch.manual_seed(3)
wide = torch.arange(24, dtype=torch.float32).reshape(4, 6)
state = {
    "f32": torch.tensor([[1.5, -2.25], [3.0, 0.125]]),
    "f64": torch.tensor([0.1], dtype=torch.float64),
    "f16": torch.tensor([0.5, -0.25, 65504.0], dtype=torch.float16),
    "bf16": torch.tensor([1.0, -3.140625], dtype=torch.bfloat16),
    "scalar": torch.tensor(4.6052),
    "empty": torch.zeros(0, 3),
    "transposed": wide.t(),
    "every_other": wide[1:, ::2],
    "tail": wide[2:],
    "parameter": torch.nn.Parameter(torch.tensor([7.0, 8.0])),
    "counter": torch.tensor([12], dtype=torch.int64),
}
module = torch.nn.Linear(2, 1)
with torch.no_grad():
    module.weight.copy_(torch.tensor([[0.5, 0.75]]))
    module.bias.copy_(torch.tensor([-1.0]))
torch.save({"epoch": 3, "lr": 1e-4, "note": "ä", "flags": [True, None, (1, -2)], "state_dict": state}, "torch_state_dict.ckpt")
torch.save(module.state_dict(), "torch_bare.pth")
torch.save({"module": {"_forward_module." + k: v for k, v in module.state_dict().items()}}, "torch_module.ckpt")
torch.save({"state_dict": state}, "torch_legacy.ckpt", _use_new_zipfile_serialization=False)
torch.save({"state_dict": {"w": torch.zeros(2)}, "hook": torch.nn.Linear}, "torch_with_class.ckpt")
