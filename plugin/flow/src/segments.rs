//! Segments a drawing along its outlines: flat areas, connected components, and nearest labels.

use crate::map::Map;

/// Gradient in Lab above which a pixel is part of an outline.
const OUTLINE: f32 = 9.0;

/// Where a picture (Lab, `[3, h, w]`) has no outline, after closing gaps of up to two pixels in its
/// outlines.
pub(crate) fn closed(lab: &Map) -> Vec<bool> {
    open(&flat(lab), lab.h, lab.w)
}

/// Where the picture has no outline.
fn flat(lab: &Map) -> Vec<bool> {
    let (h, w) = (lab.h, lab.w);
    let mut out = vec![true; h * w];
    for y in 0..h {
        let rows = [y.saturating_sub(1), y, (y + 1).min(h - 1)];
        for x in 0..w {
            let (l, r) = (x.saturating_sub(1), (x + 1).min(w - 1));
            let mut sum = 0.0;
            for c in 0..3 {
                let [a, b, d] = rows.map(|y| lab.row(c, y));
                let gx = (a[r] - a[l] + 2.0 * (b[r] - b[l]) + d[r] - d[l]) / 4.0;
                let gy = (d[l] - a[l] + 2.0 * (d[x] - a[x]) + d[r] - a[r]) / 4.0;
                sum += gx * gx + gy * gy;
            }
            out[y * w + x] = sum <= OUTLINE * OUTLINE;
        }
    }
    out
}

/// Closes gaps of up to two pixels in outlines: an area that a 3 x 3 square cannot enter is not
/// free.
fn open(free: &[bool], h: usize, w: usize) -> Vec<bool> {
    // Rows first, then columns: a sample is kept where all (or any) of its three are set.
    let around = |from: &[bool], all: bool| -> Vec<bool> {
        let join = |a: bool, b: bool| if all { a && b } else { a || b };
        let mut across = from.to_vec();
        for (to, from) in across.chunks_mut(w).zip(from.chunks(w)) {
            for x in 1..w {
                to[x] = join(to[x], from[x - 1]);
                to[x - 1] = join(to[x - 1], from[x]);
            }
        }
        let mut out = across.clone();
        for i in w..h * w {
            out[i] = join(out[i], across[i - w]);
            out[i - w] = join(out[i - w], across[i]);
        }
        out
    };
    around(&around(free, true), false)
}

/// Labels connected free pixels from 1. Also returns the size of each component.
pub(crate) fn components(free: &[bool], h: usize, w: usize) -> (Vec<u32>, Vec<u32>) {
    let mut label = vec![0u32; h * w];
    let mut sizes = Vec::new();
    let mut open = Vec::new();
    for start in 0..h * w {
        if !free[start] || label[start] > 0 {
            continue;
        }
        let name = sizes.len() as u32 + 1;
        let mut size = 0;
        label[start] = name;
        open.push(start);
        while let Some(i) = open.pop() {
            size += 1;
            for n in neighbours(i, h, w).into_iter().flatten() {
                if free[n] && label[n] == 0 {
                    label[n] = name;
                    open.push(n);
                }
            }
        }
        sizes.push(size);
    }
    (label, sizes)
}

/// Groups those of `count` things that are `open` and touch each other. Each group is listed from
/// its first member outwards. `beside` gives the neighbours of a thing.
pub(crate) fn groups<I: IntoIterator<Item = usize>>(
    count: usize,
    open: impl Fn(usize) -> bool,
    beside: impl Fn(usize) -> I,
) -> Vec<Vec<usize>> {
    let mut seen = vec![false; count];
    let mut out = Vec::new();
    for start in 0..count {
        if seen[start] || !open(start) {
            continue;
        }
        seen[start] = true;
        let mut group = vec![start];
        let mut next = 0;
        while let Some(&k) = group.get(next) {
            next += 1;
            for n in beside(k) {
                if !seen[n] && open(n) {
                    seen[n] = true;
                    group.push(n);
                }
            }
        }
        out.push(group);
    }
    out
}

/// The pixels next to pixel `i`: left, right, above, below.
pub(crate) fn neighbours(i: usize, h: usize, w: usize) -> [Option<usize>; 4] {
    let (y, x) = (i / w, i % w);
    [
        (x > 0).then(|| i - 1),
        (x + 1 < w).then_some(i + 1),
        (y > 0).then(|| i - w),
        (y + 1 < h).then_some(i + w),
    ]
}

/// The pixels of the square that extends `reach` pixels from pixel `i`.
pub(crate) fn around(i: usize, reach: usize, h: usize, w: usize) -> impl Iterator<Item = usize> {
    let (x, y) = (i % w, i / w);
    let columns = x.saturating_sub(reach)..(x + reach + 1).min(w);
    let rows = y.saturating_sub(reach)..(y + reach + 1).min(h);
    rows.flat_map(move |y| columns.clone().map(move |x| y * w + x))
}

/// Gives every pixel the label of the nearest labelled one.
pub(crate) fn grow<T: Copy + Default + PartialEq>(label: &mut [T], h: usize, w: usize) {
    let none = T::default();
    let mut front: Vec<usize> = (0..h * w).filter(|&i| label[i] != none).collect();
    while !front.is_empty() {
        let mut next = Vec::new();
        for i in front {
            for n in neighbours(i, h, w).into_iter().flatten() {
                if label[n] == none {
                    label[n] = label[i];
                    next.push(n);
                }
            }
        }
        front = next;
    }
}
