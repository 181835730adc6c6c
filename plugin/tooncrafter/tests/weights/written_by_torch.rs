//! Files written by PyTorch itself; see `data/make_torch_files.py`.

use candle_core::{DType, Device, Tensor};
use inbetween_tooncrafter::weights::{Element, Format, WeightError, WeightFile, load_tensor};

use crate::data;

fn values(file: &WeightFile, name: &str) -> (Vec<usize>, Vec<f32>) {
    let tensor: Tensor = load_tensor(file, name, DType::F32, &Device::Cpu).unwrap();
    (tensor.dims().to_vec(), tensor.flatten_all().unwrap().to_vec1().unwrap())
}

#[test]
fn every_kind_of_tensor_is_read() {
    let file = WeightFile::open(data("torch_state_dict.ckpt")).unwrap();
    assert_eq!(file.format(), Format::Torch);
    assert_eq!(values(&file, "f32"), (vec![2, 2], vec![1.5, -2.25, 3.0, 0.125]));
    assert_eq!(values(&file, "f64"), (vec![1], vec![0.1]));
    assert_eq!(values(&file, "f16"), (vec![3], vec![0.5, -0.25, 65504.0]));
    assert_eq!(values(&file, "bf16"), (vec![2], vec![1.0, -3.140625]));
    assert_eq!(values(&file, "scalar"), (vec![], vec![4.6052]));
    assert_eq!(values(&file, "empty"), (vec![0, 3], vec![]));
    assert_eq!(values(&file, "parameter"), (vec![2], vec![7.0, 8.0]));
    assert_eq!(file.tensors()["counter"].element, Element::Other("64-bit integers", 8));
}

/// Views into a larger storage, two of them not contiguous.
#[test]
fn views_are_read_in_their_own_order() {
    let file = WeightFile::open(data("torch_state_dict.ckpt")).unwrap();
    let wide = |row: usize, column: usize| (6 * row + column) as f32;
    let transposed = (0..6).flat_map(|c| (0..4).map(move |r| wide(r, c))).collect();
    assert_eq!(values(&file, "transposed"), (vec![6, 4], transposed));
    let every_other = (1..4).flat_map(|r| (0..6).step_by(2).map(move |c| wide(r, c))).collect();
    assert_eq!(values(&file, "every_other"), (vec![3, 3], every_other));
    assert_eq!(values(&file, "tail"), (vec![2, 6], (12..24).map(|v| v as f32).collect()));
}

#[test]
fn a_bare_state_dict_and_the_module_form_are_read() {
    for name in ["torch_bare.pth", "torch_module.ckpt"] {
        let file = WeightFile::open(data(name)).unwrap();
        assert_eq!(values(&file, "weight"), (vec![1, 2], vec![0.5, 0.75]), "{name}");
        assert_eq!(values(&file, "bias"), (vec![1], vec![-1.0]), "{name}");
    }
}

#[test]
fn the_old_format_is_named() {
    let err = WeightFile::open(data("torch_legacy.ckpt")).unwrap_err();
    assert!(matches!(err, WeightError::NotWeights { .. }));
    assert!(err.to_string().contains("before version 1.6"), "{err}");
}

#[test]
fn a_class_beside_the_tensors_is_refused_by_name() {
    let err = WeightFile::open(data("torch_with_class.ckpt")).unwrap_err();
    assert!(matches!(err, WeightError::Refused { .. }));
    assert!(err.to_string().contains("torch_with_class.ckpt"), "{err}");
    assert!(err.to_string().contains("torch.nn.modules.linear.Linear"), "{err}");
}
