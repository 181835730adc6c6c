//! Spreads values within areas, up to where they end.

use rayon::prelude::*;

use crate::map::Map;

/// Rows and columns in turn, this many times; after three, what is left is not seen.
const ROUNDS: i32 = 3;

/// Makes the values of `map: [c, h, w]` alike within areas in which `bond: [1, h, w]`, 0..=1, is
/// high, over about `reach` samples, and leaves them alone where it is 0.
///
/// The weighted least squares of neighbours' differences, solved for rows and columns in turn.
pub(crate) fn spread(map: &Map, bond: &Map, reach: f32) -> Map {
    let across = transposed(bond);
    let mut out = map.clone();
    let whole = 4f32.powi(ROUNDS) - 1.0;
    for round in 1..=ROUNDS {
        // Later rounds remove the streaks of earlier ones.
        let strength = reach * reach * 1.5 * 4f32.powi(ROUNDS - round) / whole;
        down(&mut out, bond, strength);
        let mut turned = transposed(&out);
        down(&mut turned, &across, strength);
        out = transposed(&turned);
    }
    out
}

/// Solves all columns, each a tridiagonal system, a row of all at a time.
fn down(map: &mut Map, bond: &Map, strength: f32) {
    let (h, w) = (map.h, map.w);
    // Between each sample and the one above it, and the one below it; 0 at the edges.
    let mut tie = vec![0.0f32; (h + 1) * w];
    for ((tie, a), b) in tie[w..].iter_mut().zip(&bond.v).zip(&bond.v[w..]) {
        *tie = strength * a.min(*b);
    }
    // 1 / pivot, and how much of the next row a row takes back.
    let mut pivot = vec![0.0f32; h * w];
    let mut back = vec![0.0f32; (h + 1) * w];
    for y in 0..h {
        let (taken, back) = back[y * w..(y + 2) * w].split_at_mut(w);
        let (up, to_next) = tie[y * w..(y + 2) * w].split_at(w);
        let pivot = &mut pivot[y * w..(y + 1) * w];
        for x in 0..w {
            pivot[x] = 1.0 / (1.0 + up[x] + to_next[x] - up[x] * taken[x]);
            back[x] = to_next[x] * pivot[x];
        }
    }
    map.v.par_chunks_mut(h * w).for_each(|plane| {
        plane[..w].iter_mut().zip(&pivot).for_each(|(v, pivot)| *v *= pivot);
        for start in (w..h * w).step_by(w) {
            let (before, row) = plane[start - w..start + w].split_at_mut(w);
            let (tie, pivot) = (&tie[start..start + w], &pivot[start..start + w]);
            for x in 0..w {
                row[x] = (row[x] + tie[x] * before[x]) * pivot[x];
            }
        }
        for start in (w..h * w).step_by(w).rev() {
            let (row, next) = plane[start - w..start + w].split_at_mut(w);
            let back = &back[start..start + w];
            for x in 0..w {
                row[x] += back[x] * next[x];
            }
        }
    });
}

fn transposed(map: &Map) -> Map {
    let mut out = Map::new(map.c, map.w, map.h);
    let area = map.area();
    out.v.par_chunks_mut(area).zip(map.v.par_chunks(area)).for_each(|(to, from)| {
        for (y, row) in from.chunks(map.w).enumerate() {
            row.iter().enumerate().for_each(|(x, v)| to[x * map.h + y] = *v);
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_area_becomes_even_and_nothing_crosses_a_gap() {
        let (h, w) = (12, 30);
        let mut map = Map::new(2, h, w);
        let mut bond = Map::new(1, h, w);
        for i in 0..h * w {
            let x = i % w;
            bond.v[i] = if x == 10 { 0.0 } else { 1.0 };
            map.v[i] = if x < 10 { (x % 2) as f32 } else { 5.0 };
            map.v[h * w + i] = 3.0;
        }
        let out = spread(&map, &bond, 40.0);
        let row = out.row(0, 6);
        assert!((1..9).all(|x| (row[x] - 0.5).abs() < 0.05), "{:?}", &row[..10]);
        assert!(row[11..].iter().all(|v| (v - 5.0).abs() < 1e-3));
        assert!(out.plane(1).iter().all(|v| (v - 3.0).abs() < 1e-3), "a constant stays");
        assert_eq!(spread(&map, &Map::new(1, h, w), 40.0).v, map.v, "no bond, no change");
    }
}
