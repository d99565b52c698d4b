//! Functions of one element in compiled steps beside those of a library.

mod net;

/// `tanh` in a step is the library's within a few last places, from the smallest arguments to where it is one, in vectors and alone.
#[test]
fn tanh_is_accurate() {
    for (precision, epsilon) in [("f32", f64::from(f32::EPSILON)), ("f64", f64::EPSILON)] {
        for (size, places) in [(1, 0), (4003, 0), (4003, 9)] {
            let text = format!(
                "simulation {{ dt = 1 ms; precision = {precision} }}
neuron Cell {{
  state x = 0, y = 0
  every dt {{ x = (i - 2000) / 83 / 10^{places}; y = tanh(x) }}
}}
population P[{size}]: Cell()
experiment main {{ run 1 ms }}"
            );
            let (mut n, mut interp) = net::both(&text);
            net::run(&mut n, 1);
            net::run(&mut interp, 1);
            net::bits_agree(&n, &interp);
            for k in 0..size {
                let [x, y] = [0, 1].map(|var| net::read(&mut n, net::pop(0, var), k));
                let exact = libm::tanh(x);
                assert!((y - exact).abs() <= 4.0 * epsilon * exact.abs(), "{precision}: tanh({x}) = {y}, not {exact}");
            }
            assert!(net::read(&mut n, net::pop(0, 0), 0) != 0.0);
        }
    }
}
