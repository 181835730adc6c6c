//! One key as registration uses it: its regions, their appearance, and the points that represent
//! them.

use super::appearance::{Appearance, Group, SamplePoint};
use super::regions::Regions;

/// Difference in colour (Lab) and ratio of areas within which regions are alike.
pub(super) const SAME_COLOUR: f32 = 4.0;
/// Difference in colour (Lab) within which regions may be the same thing in another place.
pub(super) const LIKE_COLOUR: f32 = 12.0;
/// See [`SAME_COLOUR`].
pub(super) const ALIKE: f32 = 1.12;

/// One key with everything that registration needs.
pub(super) struct Side {
    pub(super) regions: Regions,
    pub(super) appearance: Appearance,
    pub(super) groups: Vec<Group>,
    /// Pixels of each region, including lines.
    pub(super) places: Vec<Vec<u32>>,
}

impl Side {
    pub(super) fn new(regions: Regions, appearance: Appearance) -> Self {
        let mut places = vec![Vec::new(); regions.list.len()];
        for (i, &l) in regions.label.iter().enumerate() {
            if l > 0 {
                places[l as usize - 1].push(i as u32);
            }
        }
        let groups = (0..places.len())
            .map(|k| Group::of_region(&regions, k, &places[k], &appearance))
            .collect();
        Self { regions, appearance, groups, places }
    }

    /// Region `k` of the ground without the lines that it shares with figures.
    pub(super) fn of_ground(&self, k: usize) -> Group {
        let regions = &self.regions;
        let mut group = self.groups[k].clone();
        group.points.retain(|point| {
            let i = regions.pixel(point.at);
            let other = (regions.across[i] as usize).checked_sub(1);
            regions.core[i] as usize == k + 1 || other.is_some_and(|o| regions.list[o].at_border)
        });
        group
    }

    /// Only the lines of `group`, which represents region `k`.
    pub(super) fn lines_of(&self, mut group: Group, k: usize) -> Group {
        let regions = &self.regions;
        group.points.retain(|point| regions.core[regions.pixel(point.at)] as usize != k + 1);
        group
    }

    /// Points on lines between regions that reach the picture's border, in which no figure is
    /// involved.
    pub(super) fn ground_evidence(&self) -> Vec<SamplePoint> {
        let regions = &self.regions;
        let border = |l: u16| l > 0 && regions.list[l as usize - 1].at_border;
        let mut out = Vec::new();
        for (k, group) in self.groups.iter().enumerate().filter(|(k, _)| regions.list[*k].at_border)
        {
            for point in &group.points {
                let i = regions.pixel(point.at);
                if regions.core[i] as usize != k + 1 && border(regions.across[i]) {
                    out.push(point.clone());
                }
            }
        }
        out
    }

    pub(super) fn area(&self, k: usize) -> f32 {
        self.regions.list[k].area
    }

    pub(super) fn together(&self, some: &[usize]) -> Group {
        let parts: Vec<(&Group, f32)> =
            some.iter().map(|&k| (&self.groups[k], self.area(k))).collect();
        Group::together(&parts)
    }

    /// Mean Lab of the largest region in a group.
    pub(super) fn colour_of_largest(&self, some: &[usize]) -> [f32; 3] {
        let most = some.iter().copied().max_by(|&x, &y| self.area(x).total_cmp(&self.area(y)));
        most.map_or([0.0; 3], |k| self.regions.list[k].colour)
    }

    /// Area of a group of regions, in samples.
    pub(super) fn size(&self, some: &[usize]) -> f32 {
        some.iter().map(|&k| self.area(k)).sum()
    }

    /// A group of regions, complete and with each of its larger regions left out.
    pub(super) fn without_one(&self, cluster: &[usize]) -> Vec<Group> {
        let mut out = vec![self.together(cluster)];
        let mut large = cluster.to_vec();
        large.sort_by(|&a, &b| self.area(b).total_cmp(&self.area(a)));
        if cluster.len() > 1 {
            for &gone in large.iter().take(5) {
                let rest: Vec<usize> = cluster.iter().copied().filter(|&k| k != gone).collect();
                out.push(self.together(&rest));
            }
        }
        out
    }
}

/// Distance of two colours in Lab, with the lightness 0..=255 scaled to 0..=100.
pub(super) fn colours(a: [f32; 3], b: [f32; 3]) -> f32 {
    let d = [0, 1, 2].map(|c| a[c] - b[c]);
    (d[0] * d[0] / 6.5 + d[1] * d[1] + d[2] * d[2]).sqrt()
}
