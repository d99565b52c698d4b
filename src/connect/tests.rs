//! Properties of every rule: degrees, ranges, order, determinism; and the distribution of the random ones.

use super::*;
use proptest::prelude::*;

fn all(n: u32) -> Vec<u32> {
    (0..n).collect()
}

/// A population's size and an ascending view of it.
fn view() -> impl Strategy<Value = (u32, Vec<u32>)> {
    prop::collection::vec(any::<bool>(), 1..30).prop_map(|kept| {
        let view = (0..).zip(&kept).filter(|&(_, &k)| k).map(|(i, _)| i).collect();
        (kept.len() as u32, view)
    })
}

fn arguments(name: &str) -> Arguments<'static> {
    match name {
        "random" => Arguments::new().with("p", Value::Real(0.4)),
        "fixed_indegree" | "fixed_outdegree" => Arguments::new().with("k", Value::Int(3)),
        "fixed_total" => Arguments::new().with("n", Value::Int(20)),
        "distance" => Arguments::new().with("p", Value::Real(0.8)).with("lambda", Value::Real(4.0)),
        "pool" => Arguments::new().with("size", Value::Int(2)),
        _ => Arguments::new(),
    }
}

fn check_shape(a: &Adjacency, c: &Candidates<'_>) {
    assert_eq!(a.row_start.len(), c.pre_size as usize + 1);
    assert!(a.row_start.is_sorted());
    assert_eq!(a.row_start[0], 0);
    assert_eq!(a.row_start[c.pre_size as usize] as usize, a.len());
    for pre in 0..c.pre_size {
        let row = a.row(pre);
        assert!(row.is_sorted());
        assert!(row.is_empty() || c.pre.contains(&pre), "a synapse from outside the view");
        for &post in row {
            assert!(c.post.contains(&post));
            assert!(c.filter.is_none_or(|f| f(pre, post).unwrap()));
        }
    }
}

proptest! {
    #[test]
    fn every_rule_keeps_its_contract((pre_size, pre) in view(), (post_size, post) in view(), seed: u64, filtered: bool) {
        let odd = |i: u32, j: u32| Ok((i + j) % 2 == 1);
        let filter: Option<&Filter<'_>> = if filtered { Some(&odd) } else { None };
        let c = Candidates { pre_size, post_size, pre: &pre, post: &post, filter };
        let edges = EdgeList {
            pre: pre.iter().rev().map(|&i| i.into()).take(post.len()).collect(),
            post: post.iter().map(|&j| j.into()).take(pre.len()).collect(),
        };
        for pattern in PATTERNS {
            let a = arguments(pattern.name()).with_edges(&edges);
            let stream = Stream::new(seed, "E->E.v");
            match build(*pattern, &a, &c, stream) {
                Ok(found) => {
                    check_shape(&found, &c);
                    prop_assert_eq!(&build(*pattern, &a, &c, stream).unwrap(), &found);
                    let by_post = found.by_post(post_size).unwrap();
                    let sources: Vec<u32> = found.pre().collect();
                    prop_assert_eq!(by_post.syn.len(), found.len());
                    for j in 0..post_size as usize {
                        let range = by_post.col_start[j] as usize..by_post.col_start[j + 1] as usize;
                        prop_assert!(by_post.syn[range.clone()].is_sorted_by(|a, b| a < b));
                        for k in range {
                            let s = by_post.syn[k] as usize;
                            prop_assert_eq!(found.post[s] as usize, j);
                            prop_assert_eq!(sources[s], by_post.pre[k]);
                        }
                    }
                }
                Err(ConnectError::TooFew { wanted, found, .. }) => prop_assert!(found < wanted),
                Err(ConnectError::Argument(_)) => {
                    let unfit = pattern.name() == "pool" && pre_size / 2 != post_size;
                    // Lines are no grids.
                    prop_assert!(unfit || pattern.name() == "conv");
                }
                Err(ConnectError::SizesDiffer { .. }) => prop_assert!(pre.len() != post.len()),
                Err(other) => prop_assert!(false, "{}: {other}", pattern.name()),
            }
        }
    }

    #[test]
    fn degrees_are_those_asked_for(n in 4u32..20, m in 4u32..20, k in 0i64..4, seed: u64, multapses: bool) {
        let (pre, post) = (all(n), all(m));
        let c = Candidates { pre_size: n, post_size: m, pre: &pre, post: &post, filter: None };
        let a = Arguments::new().with("k", Value::Int(k)).with("multapses", Value::Bool(multapses));
        let stream = Stream::new(seed, "p");
        let into = build(&fixed::FixedIndegree, &a, &c, stream).unwrap().by_post(m).unwrap();
        prop_assert!(into.col_start.windows(2).all(|w| i64::from(w[1] - w[0]) == k));
        let out = build(&fixed::FixedOutdegree, &a, &c, stream).unwrap();
        prop_assert!(out.row_start.windows(2).all(|w| i64::from(w[1] - w[0]) == k));
        let a = Arguments::new().with("n", Value::Int(4 * k)).with("multapses", Value::Bool(multapses));
        let total = build(&fixed::FixedTotal, &a, &c, stream).unwrap();
        prop_assert_eq!(total.len() as i64, 4 * k);
        if !multapses {
            for a in [&out, &total] {
                for i in 0..n {
                    prop_assert!(a.row(i).is_sorted_by(|x, y| x < y), "a pair repeats");
                }
            }
        }
    }
}

/// A row of `random` depends on the pre neuron's index only, not on which others are in the view.
#[test]
fn rows_of_random_do_not_depend_on_each_other() {
    let (whole, post) = (all(50), all(80));
    let a = arguments("random");
    let stream = Stream::new(4, "p");
    let c = Candidates { pre_size: 50, post_size: 80, pre: &whole, post: &post, filter: None };
    let full = build(&random::Random, &a, &c, stream).unwrap();
    let part = build(&random::Random, &a, &Candidates { pre: &[3, 17], ..c }, stream).unwrap();
    for i in [3, 17] {
        assert_eq!(full.row(i), part.row(i));
    }
    // Filtering removes pairs and adds none.
    let keep = |_: u32, j: u32| Ok(j < 40);
    let some = build(&random::Random, &a, &Candidates { filter: Some(&keep), ..c }, stream).unwrap();
    for i in 0..50 {
        assert_eq!(some.row(i), full.row(i).iter().copied().filter(|&j| j < 40).collect::<Vec<_>>());
    }
}

/// Every pair occurs equally often: chi-squared over the pairs of a small network, for every random rule.
#[test]
fn random_rules_choose_every_pair_equally_often() {
    let (pre, post) = (all(5), all(6));
    let c = Candidates { pre_size: 5, post_size: 6, pre: &pre, post: &post, filter: None };
    let trials = 4000;
    for (pattern, a, p) in [
        (&random::Random as &dyn Pattern, Arguments::new().with("p", Value::Real(0.3)), 0.3),
        (&fixed::FixedIndegree, Arguments::new().with("k", Value::Int(2)), 2.0 / 5.0),
        (&fixed::FixedOutdegree, Arguments::new().with("k", Value::Int(2)), 2.0 / 6.0),
        (&fixed::FixedTotal, Arguments::new().with("n", Value::Int(6)).with("multapses", Value::Bool(false)), 0.2),
    ] {
        let mut counts = [[0.0; 6]; 5];
        for seed in 0..trials {
            let found = build(pattern, &a, &c, Stream::new(seed, "p")).unwrap();
            for i in 0..5 {
                for &j in found.row(i) {
                    counts[i as usize][j as usize] += 1.0;
                }
            }
        }
        let mean = trials as f64 * p;
        let spread = (mean * (1.0 - p)).sqrt();
        for count in counts.iter().flatten() {
            assert!((count - mean).abs() < 4.5 * spread, "{}: {count}, expected {mean}", pattern.name());
        }
    }
}

#[test]
fn probabilities_zero_and_one_give_none_and_all() {
    let (pre, post) = (all(7), all(9));
    let c = Candidates { pre_size: 7, post_size: 9, pre: &pre, post: &post, filter: None };
    let with = |p| Arguments::new().with("p", p);
    assert!(build(&random::Random, &with(Value::Int(0)), &c, Stream::new(1, "p")).unwrap().is_empty());
    assert_eq!(build(&random::Random, &with(Value::Real(1.0)), &c, Stream::new(1, "p")).unwrap().len(), 63);
    // So improbable that 1 - p is 1 in floating point.
    assert!(build(&random::Random, &with(Value::Real(1e-18)), &c, Stream::new(1, "p")).unwrap().is_empty());
}

#[test]
fn symmetric_pairs_come_in_both_directions() {
    let view = [0, 2, 3, 5, 8, 9];
    let c = Candidates { pre_size: 10, post_size: 10, pre: &view, post: &view, filter: None };
    let a = arguments("random").with("symmetric", Value::Bool(true));
    let found = build(&random::Random, &a, &c, Stream::new(2, "p")).unwrap();
    assert!(!found.is_empty());
    for i in 0..10 {
        for &j in found.row(i) {
            assert!(i != j && found.row(j).contains(&i));
        }
    }
    let other = Candidates { post: &view[1..], ..c };
    assert!(matches!(build(&random::Random, &a, &other, Stream::new(2, "p")), Err(ConnectError::Argument(_))));
}

#[test]
fn one_to_one_pairs_positions_of_views() {
    let c = Candidates { pre_size: 10, post_size: 5, pre: &[1, 4, 9], post: &[0, 2, 3], filter: None };
    let found = build(&regular::OneToOne, &Arguments::new(), &c, Stream::new(1, "p")).unwrap();
    assert_eq!((found.row(1), found.row(4), found.row(9)), (&[0][..], &[2][..], &[3][..]));
    let c = Candidates { post: &[0, 2], ..c };
    let fault = build(&regular::OneToOne, &Arguments::new(), &c, Stream::new(1, "p")).unwrap_err();
    assert_eq!(fault, ConnectError::SizesDiffer { pre: 3, post: 2 });
    assert_eq!(fault.code(), Code::E0402);
}

#[test]
fn edges_are_sorted_stably_and_remember_their_rows() {
    let (pre, post) = (all(3), all(3));
    let c = Candidates { pre_size: 3, post_size: 3, pre: &pre, post: &post, filter: None };
    let list = EdgeList { pre: vec![2, 0, 2, 0], post: vec![1, 2, 1, 0] };
    let found = build(&edges::Edges, &Arguments::new().with_edges(&list), &c, Stream::new(1, "p")).unwrap();
    assert_eq!(found.row_start, [0, 2, 2, 4]);
    assert_eq!(found.post, [0, 2, 1, 1]);
    assert_eq!(found.origin.as_deref(), Some(&[3, 1, 0, 2][..]));
    for (pre, post, fault) in [
        (vec![3], vec![0], ConnectError::OutOfRange { side: Side::Pre, index: 3, size: 3 }),
        (vec![0], vec![-1], ConnectError::OutOfRange { side: Side::Post, index: -1, size: 3 }),
        (vec![0], vec![], ConnectError::Ragged { pre: 1, post: 0 }),
    ] {
        let list = EdgeList { pre, post };
        let a = Arguments::new().with_edges(&list);
        assert_eq!(build(&edges::Edges, &a, &c, Stream::new(1, "p")), Err(fault));
    }
    let list = EdgeList { pre: vec![0], post: vec![2] };
    let a = Arguments::new().with_edges(&list);
    let narrow = Candidates { post: &[0, 1], ..c };
    let fault = build(&edges::Edges, &a, &narrow, Stream::new(1, "p"));
    assert_eq!(fault, Err(ConnectError::OutsideView { side: Side::Post, index: 2, edge: 0 }));
}

#[test]
fn faults_are_named() {
    let (pre, post) = (all(3), all(3));
    let c = Candidates { pre_size: 3, post_size: 3, pre: &pre, post: &post, filter: None };
    let stream = Stream::new(1, "p");
    let code =
        |pattern: &dyn Pattern, a: &Arguments<'_>, c: &Candidates<'_>| build(pattern, a, c, stream).unwrap_err().code();
    let k = |k| Arguments::new().with("k", Value::Int(k));
    assert_eq!(code(&fixed::FixedIndegree, &k(4), &c), Code::E0404);
    assert_eq!(code(&fixed::FixedIndegree, &k(-1), &c), Code::E0205);
    assert_eq!(code(&fixed::FixedIndegree, &k(1).with("q", Value::Int(1)), &c), Code::E0205);
    assert_eq!(code(&fixed::FixedTotal, &Arguments::new().with("n", Value::Int(1 << 40)), &c), Code::E0902);
    assert_eq!(code(&random::Random, &Arguments::new(), &c), Code::E0205);
    for p in [-0.1, 1.1, f64::NAN] {
        assert_eq!(code(&random::Random, &Arguments::new().with("p", Value::Real(p)), &c), Code::E0205);
    }
    assert_eq!(code(&regular::AllToAll, &Arguments::new(), &Candidates { pre: &[0, 3], ..c }), Code::E0402);
    assert_eq!(code(&regular::AllToAll, &Arguments::new(), &Candidates { pre: &[1, 0], ..c }), Code::E0900);
    let wide: Vec<u32> = all(70_000);
    let wide = Candidates { pre_size: 70_000, post_size: 70_000, pre: &wide, post: &wide, filter: None };
    assert_eq!(code(&regular::AllToAll, &Arguments::new(), &wide), Code::E0902);
    let broken = |_: u32, _: u32| Err(Diagnostic::without_span(Code::E0402, "index out of range"));
    assert_eq!(code(&regular::AllToAll, &Arguments::new(), &Candidates { filter: Some(&broken), ..c }), Code::E0402);
}

/// A filter costs a fixed degree about as many calls as it makes synapses, and every admitted partner is as likely as any other.
#[test]
fn fixed_degrees_with_a_filter_are_uniform_and_not_quadratic() {
    use std::sync::atomic::{AtomicU64, Ordering};
    let (pre, post) = (all(2000), all(2000));
    let calls = AtomicU64::new(0);
    let filter = |i: u32, j: u32| {
        calls.fetch_add(1, Ordering::Relaxed);
        Ok(i != j && i.is_multiple_of(2))
    };
    let c = Candidates { pre_size: 2000, post_size: 2000, pre: &pre, post: &post, filter: Some(&filter) };
    let a = Arguments::new().with("k", Value::Int(20));
    let found = build(&fixed::FixedIndegree, &a, &c, Stream::new(1, "p")).unwrap();
    assert_eq!(found.len(), 40_000);
    assert!(calls.load(Ordering::Relaxed) < 200_000, "{calls:?}");
    // Every target has 20 different sources that are admitted.
    let mut into = vec![std::collections::BTreeSet::new(); 2000];
    let mut degree = vec![0.0_f64; 2000];
    for (i, j) in found.pre().zip(&found.post) {
        let i = &i;
        assert!(i.is_multiple_of(2) && i != j);
        assert!(into[*j as usize].insert(*i));
        degree[*i as usize] += 1.0;
    }
    assert!(into.iter().all(|s| s.len() == 20));
    // Each of the 1000 even sources has 40 targets in the mean: chi-squared of 999 degrees of freedom, 4 standard deviations.
    let chi: f64 = degree.iter().step_by(2).map(|d| (d - 40.0).powi(2) / 40.0).sum();
    assert!((chi - 980.0).abs() < 4.0 * (2.0 * 999.0_f64).sqrt() + 20.0, "{chi}");
    // Where nearly nothing is admitted, the list is used: the same degrees.
    let rare = |i: u32, j: u32| Ok(i / 25 == j / 25);
    let c = Candidates { filter: Some(&rare), ..c };
    let found = build(&fixed::FixedOutdegree, &a, &c, Stream::new(1, "p")).unwrap();
    assert_eq!(found.len(), 40_000);
    assert!(found.pre().zip(&found.post).all(|(i, j)| i / 25 == j / 25));
}

/// Every pair of a convolution is linked by one entry of its kernel, and every target by all entries of its channel.
#[test]
fn convolutions_link_squares() {
    let grid = vec![2, 6, 7];
    for (kernel, stride, channels) in [(3, 1, 4), (2, 2, 1), (3, 2, 3), (6, 1, 2), (1, 3, 2)] {
        let shape = Convolution::new(&grid, kernel, stride, channels).unwrap();
        let [d, h, w] = shape.target();
        assert_eq!([d, h, w], [channels, (6 - kernel) / stride + 1, (7 - kernel) / stride + 1]);
        let (pre, post) = (all(84), all((d * h * w) as u32));
        let c = Candidates { pre_size: 84, post_size: post.len() as u32, pre: &pre, post: &post, filter: None };
        let a = Arguments::new()
            .with("kernel", Value::Int(kernel as i64))
            .with("stride", Value::Int(stride as i64))
            .with("channels", Value::Int(channels as i64))
            .with_grids(grid.clone(), vec![d, h, w]);
        let found = build(&conv::Conv, &a, &c, Stream::new(1, "p")).unwrap();
        let chosen: Vec<(u32, u32)> = found.pre().zip(found.post.iter().copied()).collect();
        // Directly from the definition.
        let mut wanted = Vec::new();
        for i in 0..84_u64 {
            let (y, x) = (i / 7 % 6, i % 7);
            for j in 0..d * h * w {
                let (v, u) = (j / w % h * stride, j % w * stride);
                if (v..v + kernel).contains(&y) && (u..u + kernel).contains(&x) {
                    let entry = ((j / (h * w) * 2 + i / 42) * kernel + y - v) * kernel + x - u;
                    assert_eq!(shape.entry(i, j), Some(entry));
                    wanted.push((i as u32, j as u32));
                } else {
                    assert_eq!(shape.entry(i, j), None);
                }
            }
        }
        assert_eq!(chosen, wanted);
        assert_eq!(shape.entries(), d * 2 * kernel * kernel);
    }
    assert_eq!(Convolution::new(&[5], 1, 1, 1), None);
    assert_eq!(Convolution::new(&[5, 5], 6, 1, 1), None);
}
