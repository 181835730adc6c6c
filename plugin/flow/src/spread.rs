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
    // Between a sample and the one below it.
    let tie = |i: usize| strength * bond.v[i].min(bond.v[i + w]);
    // 1 / pivot, and how much of the next row a row takes back.
    let mut pivot = vec![0.0f32; h * w];
    let mut back = vec![0.0f32; h * w];
    for i in 0..h * w {
        let (up, taken) = if i >= w { (tie(i - w), back[i - w]) } else { (0.0, 0.0) };
        let to_next = if i + w < h * w { tie(i) } else { 0.0 };
        pivot[i] = 1.0 / (1.0 + up + to_next - up * taken);
        back[i] = to_next * pivot[i];
    }
    map.v.par_chunks_mut(h * w).for_each(|plane| {
        for i in 0..h * w {
            let before = if i >= w { tie(i - w) * plane[i - w] } else { 0.0 };
            plane[i] = (plane[i] + before) * pivot[i];
        }
        for i in (0..(h - 1) * w).rev() {
            plane[i] += back[i] * plane[i + w];
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
