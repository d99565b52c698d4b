use snnc::driver::*;
use snnc::hir::*;
use snnc::script::machine::*;
fn main() {
    let mut s = Session::open(std::path::Path::new("models/diehl_cook.snn"), &Settings::default());
    s.plan_only();
    let m = s.model.clone().unwrap();
    let (mut n, t) = s.build(&m, BackendKind::Jit).unwrap();
    println!("{t:?} front {:?}", s.front);
    let raw = std::fs::read("/tmp/mnist_raw/train-images-idx3-ubyte").unwrap();
    let k = VarKey { entity: Entity::Pop(PopId(0)), var: VarId(0) };
    let w = VarKey { entity: Entity::Proj(ProjId(0)), var: VarId(0) };
    let wi = m.projections[0].synapse.vars.iter().position(|v| v.name == "w").unwrap();
    let w = VarKey { var: VarId(wi as u32), ..w };
    let mut tot = [0i64; 3];
    let mut td = std::time::Duration::ZERO;
    let mut tn = td;
    let mut tr = td;
    let ns = 1000usize;
    let start = std::time::Instant::now();
    for i in 0..ns {
        let a = std::time::Instant::now();
        {
            let v = n.values_mut(w).unwrap();
            if let SliceMut::F32(d) = v.data {
                let mut sum = vec![0f32; v.cols];
                for r in 0..v.rows {
                    for (s, x) in sum.iter_mut().zip(&d[r * v.stride..]) {
                        *s += *x;
                    }
                }
                for s in &mut sum {
                    *s = 78.4 / *s;
                }
                for r in 0..v.rows {
                    for (s, x) in sum.iter().zip(&mut d[r * v.stride..]) {
                        *x = (*x * *s).min(1.0).max(0.0);
                    }
                }
            }
        }
        n.written(w);
        tn += a.elapsed();
        {
            let v = n.values_mut(k).unwrap();
            if let SliceMut::F32(d) = v.data {
                for p in 0..784 {
                    d[p] = raw[16 + i * 784 + p] as f32 / 255.0 * 63.75 * 1e-3;
                }
            }
        }
        n.written(k);
        let a = std::time::Instant::now();
        n.begin_run(700, RunKey(i as u64 * 2)).unwrap();
        td += a.elapsed();
        let a = std::time::Instant::now();
        n.advance(700).unwrap();
        for p in 0..3 {
            tot[p] += n.counts(PopId(p as u32)).iter().map(|x| *x as i64).sum::<i64>();
        }
        {
            let v = n.values_mut(k).unwrap();
            if let SliceMut::F32(d) = v.data {
                for p in 0..784 {
                    d[p] = 0.0;
                }
            }
        }
        n.written(k);
        n.begin_run(300, RunKey(i as u64 * 2 + 1)).unwrap();
        n.advance(300).unwrap();
        tr += a.elapsed();
    }
    println!(
        "{:?}/sample spikes/sample {:?}; norm {:?} draw {:?} run {:?}",
        start.elapsed() / ns as u32,
        tot.map(|x| x as f64 / ns as f64),
        tn / ns as u32,
        td / ns as u32,
        tr / ns as u32
    );
}
