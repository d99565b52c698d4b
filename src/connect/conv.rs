//! Convolution: each target hears a square of every channel of the source, the same square for all channels of the target.

use super::adjacency::Rows;
use super::{Adjacency, Arguments, Candidates, ConnectError, Param, ParamKind, Pattern, Value};
use crate::rng::Stream;

/// Squares of `kernel` by `kernel` neurons at distances of `stride`, without a margin.
pub(super) struct Conv;

/// The geometry of a convolution between grids `[…, h, w]`; a grid without channels has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Convolution {
    kernel: u64,
    stride: u64,
    /// Channels, rows and columns of the source, then of the target.
    pre: [u64; 3],
    post: [u64; 3],
}

impl Convolution {
    /// The convolution of a source grid; `None` where the kernel does not fit it or the grid has not two or three axes.
    #[must_use]
    pub fn new(grid: &[u64], kernel: u64, stride: u64, channels: u64) -> Option<Self> {
        let pre = match *grid {
            [h, w] => [1, h, w],
            [c, h, w] => [c, h, w],
            _ => return None,
        };
        let places = |n: u64| Some(n.checked_sub(kernel)? / stride.max(1) + 1);
        let post = [channels, places(pre[1])?, places(pre[2])?];
        (kernel > 0 && stride > 0).then_some(Self { kernel, stride, pre, post })
    }

    /// Channels, rows and columns of the target.
    #[must_use]
    pub fn target(&self) -> [u64; 3] {
        self.post
    }

    /// Entries of all kernels: of each channel of the target and each of the source a square.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.post[0] * self.pre[0] * self.kernel * self.kernel
    }

    /// The entry that links a pair, in the order (channel of the target, channel of the source, row, column); `None` for pairs that no
    /// kernel links.
    #[must_use]
    pub fn entry(&self, pre: u64, post: u64) -> Option<u64> {
        let at = |[_, h, w]: [u64; 3], k: u64| [k / (h * w), k / w % h, k % w];
        let ([c, y, x], [d, v, u]) = (at(self.pre, pre), at(self.post, post));
        let row = y.checked_sub(v * self.stride).filter(|r| *r < self.kernel)?;
        let column = x.checked_sub(u * self.stride).filter(|r| *r < self.kernel)?;
        Some(((d * self.pre[0] + c) * self.kernel + row) * self.kernel + column)
    }

    /// The rows (or columns) of the target that hear row `y` of the source.
    fn hearing(&self, y: u64, of: u64) -> std::ops::Range<u64> {
        let first = y.saturating_sub(self.kernel - 1).div_ceil(self.stride);
        first..(y / self.stride + 1).min(of)
    }
}

impl Pattern for Conv {
    fn name(&self) -> &'static str {
        "conv"
    }

    fn about(&self) -> &'static str {
        "Each target hears a square of `kernel` by `kernel` neurons of every channel of the source; targets lie `stride` neurons apart. The source is a grid [h, w] or [c, h, w], the target [channels, (h - kernel)/stride + 1, (w - kernel)/stride + 1]. Values that are drawn or read from a file are one for each entry of the kernel, unless `shared = false`."
    }

    fn params(&self) -> &'static [Param] {
        const {
            &[
                Param { name: "kernel", kind: ParamKind::Count, default: None },
                Param { name: "stride", kind: ParamKind::Count, default: Some(Value::Int(1)) },
                Param { name: "channels", kind: ParamKind::Count, default: Some(Value::Int(1)) },
                Param { name: "shared", kind: ParamKind::Bool, default: Some(Value::Bool(true)) },
            ]
        }
    }

    fn expected_synapses(&self, a: &Arguments<'_>, _: usize, post: usize) -> Result<f64, ConnectError> {
        let kernel = a.count(self, "kernel")? as f64;
        let channels = a.grids.as_ref().map_or(1, |(g, _)| if g.len() == 3 { g[0] } else { 1 });
        Ok(kernel * kernel * channels as f64 * post as f64)
    }

    fn choose(&self, a: &Arguments<'_>, c: &Candidates<'_>, _: Stream) -> Result<Adjacency, ConnectError> {
        let (kernel, stride, channels) =
            (a.count(self, "kernel")?, a.count(self, "stride")?, a.count(self, "channels")?);
        let grid = a.grids.as_ref().map(|(g, _)| g.clone()).unwrap_or_default();
        let Some(shape) = Convolution::new(&grid, kernel, stride, channels) else {
            return Err(ConnectError::Argument(format!("a kernel of {kernel} does not fit the source's grid")));
        };
        let [d, h, w] = shape.post;
        if d.checked_mul(h).and_then(|n| n.checked_mul(w)) != Some(u64::from(c.post_size)) {
            return Err(ConnectError::Argument(format!("this convolution needs a target of [{d}, {h}, {w}]")));
        }
        let mut rows = Rows::new(c.pre_size, self.expected_synapses(a, c.pre.len(), c.post.len())?);
        let whole = c.post.len() as u64 == u64::from(c.post_size);
        for &pre in c.pre {
            rows.begin(pre);
            let (y, x) = (u64::from(pre) / shape.pre[2] % shape.pre[1], u64::from(pre) % shape.pre[2]);
            for channel in 0..d {
                for v in shape.hearing(y, h) {
                    for u in shape.hearing(x, w) {
                        let post = ((channel * h + v) * w + u) as u32;
                        if (whole || c.post.binary_search(&post).is_ok()) && c.admits(pre, post)? {
                            rows.push(post)?;
                        }
                    }
                }
            }
        }
        Ok(rows.finish())
    }
}
