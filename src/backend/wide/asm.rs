//! An assembler for the x86-64 instructions that wide kernels are made of: vector operations (VEX-encoded, or EVEX-encoded where vectors are 512
//! bits wide), a few integer ones, labels, and a pool of constants behind the code. Encodings: Intel 64 and IA-32 Architectures Software Developer's
//! Manual, volume 2.

use super::Width;

/// A general register by its number; 4 is the stack pointer.
pub(super) type Gpr = u8;

pub(super) const RSP: Gpr = 4;
pub(super) const RBP: Gpr = 5;

/// A place in memory: `base + index << scale + disp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mem {
    pub(super) base: Gpr,
    pub(super) index: Option<(Gpr, u8)>,
    pub(super) disp: i32,
}

impl Mem {
    pub(super) fn at(base: Gpr, disp: i32) -> Self {
        Self { base, index: None, disp }
    }
}

/// The operand that may be a register or memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rm {
    Reg(u8),
    Mem(Mem),
    /// A constant of the pool.
    Pool(usize),
}

/// A vector instruction: opcode map, mandatory prefix, width bit, opcode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Vop {
    pub(super) map: u8,
    pub(super) prefix: u8,
    pub(super) w: u8,
    pub(super) code: u8,
}

/// Short for a [`Vop`]. Prefixes: 0 none, 1 `66`, 2 `F3`, 3 `F2`.
pub(super) const fn vop(map: u8, prefix: u8, w: u8, code: u8) -> Vop {
    Vop { map, prefix, w, code }
}

/// Which lanes an EVEX-encoded instruction writes: those whose bits are set in a mask register (0: all); the others stay, or become zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Lanes {
    pub(super) mask: u8,
    pub(super) zero: bool,
}

/// Conditions of jumps, by their code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cond {
    Equal = 4,
    NotEqual = 5,
    Less = 12,
    GreaterEqual = 13,
    LessEqual = 14,
    Greater = 15,
}

impl Cond {
    /// The opposite.
    pub(super) fn not(self) -> Self {
        match self {
            Self::Equal => Self::NotEqual,
            Self::NotEqual => Self::Equal,
            Self::Less => Self::GreaterEqual,
            Self::GreaterEqual => Self::Less,
            Self::LessEqual => Self::Greater,
            Self::Greater => Self::LessEqual,
        }
    }
}

/// A place in the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label(usize);

/// Code under construction.
#[derive(Debug)]
pub(super) struct Asm {
    /// The width of whole vectors, and so of constants. In code for 512 bits all vector instructions are EVEX-encoded: they know 32 registers.
    full: Width,
    code: Vec<u8>,
    pool: Vec<[u8; 64]>,
    labels: Vec<Option<usize>>,
    /// Where a 32-bit distance to a label is missing.
    jumps: Vec<(usize, Label)>,
    /// Where a 32-bit distance to a constant is missing, and how many bytes of the instruction follow.
    constants: Vec<(usize, usize, u8)>,
}

impl Asm {
    pub(super) fn new(full: Width) -> Self {
        let (code, pool, labels) = (Vec::new(), Vec::new(), Vec::new());
        Self { full, code, pool, labels, jumps: Vec::new(), constants: Vec::new() }
    }

    fn byte(&mut self, b: u8) {
        self.code.push(b);
    }

    fn bytes(&mut self, b: &[u8]) {
        self.code.extend_from_slice(b);
    }

    /// The number of a constant; whole vectors take as much of it as they have.
    pub(super) fn constant(&mut self, bytes: [u8; 64]) -> usize {
        match self.pool.iter().position(|b| *b == bytes) {
            Some(n) => n,
            None => {
                self.pool.push(bytes);
                self.pool.len() - 1
            }
        }
    }

    pub(super) fn label(&mut self) -> Label {
        self.labels.push(None);
        Label(self.labels.len() - 1)
    }

    pub(super) fn bind(&mut self, label: Label) {
        if let Some(at) = self.labels.get_mut(label.0) {
            *at = Some(self.code.len());
        }
    }

    /// The address bytes of an instruction whose immediates take `after` bytes.
    fn operand(&mut self, reg: u8, rm: Rm, after: u8) {
        self.operand_in(reg, rm, after, 1);
    }

    /// The same where short distances are counted in units of some bytes.
    fn operand_in(&mut self, reg: u8, rm: Rm, after: u8, unit: i32) {
        let reg = (reg & 7) << 3;
        match rm {
            Rm::Reg(r) => self.byte(0xC0 | reg | (r & 7)),
            Rm::Pool(n) => {
                self.byte(reg | 5);
                self.constants.push((self.code.len(), n, after));
                self.bytes(&[0; 4]);
            }
            Rm::Mem(m) => {
                let short = if m.disp % unit == 0 { i8::try_from(m.disp / unit).ok() } else { None };
                let (mode, disp): (u8, Vec<u8>) = match short {
                    Some(0) if m.base & 7 != 5 => (0, Vec::new()),
                    Some(d) => (0x40, d.to_le_bytes().to_vec()),
                    None => (0x80, m.disp.to_le_bytes().to_vec()),
                };
                match m.index {
                    None if m.base & 7 != 4 => self.byte(mode | reg | (m.base & 7)),
                    index => {
                        self.byte(mode | reg | 4);
                        let (index, scale) = index.unwrap_or((RSP, 0));
                        self.byte(scale << 6 | (index & 7) << 3 | (m.base & 7));
                    }
                }
                self.bytes(&disp);
            }
        }
    }

    /// The high bits of index and base.
    fn extension(rm: Rm) -> (u8, u8) {
        match rm {
            Rm::Reg(r) => (0, r >> 3),
            Rm::Mem(m) => (m.index.map_or(0, |(i, _)| i >> 3), m.base >> 3),
            Rm::Pool(_) => (0, 0),
        }
    }

    /// The vector operation `op reg, vvvv, rm`.
    pub(super) fn vector(&mut self, op: Vop, width: Width, reg: u8, vvvv: u8, rm: Rm) {
        self.vector_with(op, width, reg, vvvv, rm, None);
    }

    /// The same with an immediate byte.
    pub(super) fn vector_with(&mut self, op: Vop, width: Width, reg: u8, vvvv: u8, rm: Rm, immediate: Option<u8>) {
        if self.full == Width::W512 {
            self.evex(op, width, (reg, vvvv, rm), immediate, Lanes::default());
        } else {
            self.vex(op, width != Width::W128, reg, vvvv, rm, immediate);
        }
    }

    /// The vector operation `op reg, vvvv, rm` for some lanes, or with a mask register as `reg` or `rm`; only for 512 bits.
    pub(super) fn evex(
        &mut self,
        op: Vop,
        width: Width,
        (reg, vvvv, rm): (u8, u8, Rm),
        immediate: Option<u8>,
        lanes: Lanes,
    ) {
        // The bit beyond a register's third is that of the index or base, or of a fifth bit in the place of the index.
        let (x, b) = match rm {
            Rm::Reg(r) => (r >> 4, r >> 3 & 1),
            other => Self::extension(other),
        };
        let (r, far) = (reg >> 3 & 1, reg >> 4);
        let length = match width {
            Width::W128 => 0,
            Width::W256 => 1,
            Width::W512 => 2,
        };
        self.bytes(&[
            0x62,
            (r ^ 1) << 7 | (x ^ 1) << 6 | (b ^ 1) << 5 | (far ^ 1) << 4 | op.map,
            quad(op) << 7 | (!vvvv & 15) << 3 | 4 | op.prefix,
            u8::from(lanes.zero) << 7 | length << 5 | (vvvv >> 4 ^ 1) << 3 | lanes.mask,
            op.code,
        ]);
        let unit = match (op.map, op.code) {
            // One element to all lanes.
            (2, 0x18) => 4,
            (2, 0x19) => 8,
            _ => width.bytes() as i32,
        };
        self.operand_in(reg, rm, u8::from(immediate.is_some()), unit);
        if let Some(b) = immediate {
            self.byte(b);
        }
    }

    /// `op reg, vvvv, rm` on 256 bits if `wide`, else on 128, VEX-encoded.
    pub(super) fn vex(&mut self, op: Vop, wide: bool, reg: u8, vvvv: u8, rm: Rm, immediate: Option<u8>) {
        let (x, b) = Self::extension(rm);
        let (r, vvvv) = (!(reg >> 3) & 1, (!vvvv & 15) << 3);
        let last = vvvv | u8::from(wide) << 2 | op.prefix;
        if op.map == 1 && op.w == 0 && x == 0 && b == 0 {
            self.bytes(&[0xC5, r << 7 | last]);
        } else {
            self.bytes(&[0xC4, r << 7 | (x ^ 1) << 6 | (b ^ 1) << 5 | op.map, op.w << 7 | last]);
        }
        self.byte(op.code);
        self.operand(reg, rm, u8::from(immediate.is_some()));
        if let Some(b) = immediate {
            self.byte(b);
        }
    }

    /// An integer instruction with one opcode byte (two if it starts with `0F`).
    fn integer(&mut self, quad: bool, code: &[u8], reg: u8, rm: Rm, after: u8) {
        let (x, b) = Self::extension(rm);
        let rex = 0x40 | u8::from(quad) << 3 | (reg >> 3) << 2 | x << 1 | b;
        if rex != 0x40 {
            self.byte(rex);
        }
        self.bytes(code);
        self.operand(reg, rm, after);
    }

    /// `to = from`, 32 bits.
    pub(super) fn load32(&mut self, to: Gpr, from: Rm) {
        self.integer(false, &[0x8B], to, from, 0);
    }

    /// `to = from`, 64 bits.
    pub(super) fn load64(&mut self, to: Gpr, from: Rm) {
        self.integer(true, &[0x8B], to, from, 0);
    }

    /// `to = from`, 32 bits.
    pub(super) fn store32(&mut self, to: Mem, from: Gpr) {
        self.integer(false, &[0x89], from, Rm::Mem(to), 0);
    }

    /// `to = from`, 64 bits.
    pub(super) fn store64(&mut self, to: Mem, from: Gpr) {
        self.integer(true, &[0x89], from, Rm::Mem(to), 0);
    }

    /// `to = n`, 32 bits.
    pub(super) fn store32_constant(&mut self, to: Mem, n: i32) {
        self.integer(false, &[0xC7], 0, Rm::Mem(to), 4);
        self.bytes(&n.to_le_bytes());
    }

    /// `to = n`, sign-extended to 64 bits.
    pub(super) fn set(&mut self, to: Gpr, n: i32) {
        self.integer(true, &[0xC7], 0, Rm::Reg(to), 4);
        self.bytes(&n.to_le_bytes());
    }

    /// `to = from`, sign-extended from 32 to 64 bits.
    pub(super) fn extend(&mut self, to: Gpr, from: Rm) {
        self.integer(true, &[0x63], to, from, 0);
    }

    /// `to = address`, 32 bits.
    pub(super) fn lea32(&mut self, to: Gpr, from: Mem) {
        self.integer(false, &[0x8D], to, Rm::Mem(from), 0);
    }

    /// `to = address`, 64 bits.
    pub(super) fn lea64(&mut self, to: Gpr, from: Mem) {
        self.integer(true, &[0x8D], to, Rm::Mem(from), 0);
    }

    /// `to += n`, 64 bits.
    pub(super) fn add64(&mut self, to: Gpr, n: i32) {
        self.integer(true, &[0x81], 0, Rm::Reg(to), 4);
        self.bytes(&n.to_le_bytes());
    }

    /// `to -= from`, 32 bits.
    pub(super) fn sub32(&mut self, to: Gpr, from: Rm) {
        self.integer(false, &[0x2B], to, from, 0);
    }

    /// `to &= from`, 32 bits.
    pub(super) fn and32(&mut self, to: Gpr, from: Rm) {
        self.integer(false, &[0x23], to, from, 0);
    }

    /// `to &= n`, 32 bits.
    pub(super) fn and32_constant(&mut self, to: Gpr, n: i32) {
        self.integer(false, &[0x81], 4, Rm::Reg(to), 4);
        self.bytes(&n.to_le_bytes());
    }

    /// `to = from * n`, 32 bits.
    pub(super) fn mul32_constant(&mut self, to: Gpr, from: Rm, n: i32) {
        self.integer(false, &[0x69], to, from, 4);
        self.bytes(&n.to_le_bytes());
    }

    /// `to = from * n`, 64 bits.
    pub(super) fn mul64_constant(&mut self, to: Gpr, from: Rm, n: i32) {
        self.integer(true, &[0x69], to, from, 4);
        self.bytes(&n.to_le_bytes());
    }

    /// `to *= from`, 32 bits.
    pub(super) fn mul32(&mut self, to: Gpr, from: Rm) {
        self.integer(false, &[0x0F, 0xAF], to, from, 0);
    }

    /// Compares 32 bits.
    pub(super) fn compare32(&mut self, a: Gpr, b: Rm) {
        self.integer(false, &[0x3B], a, b, 0);
    }

    /// Compares 32 bits with a constant.
    pub(super) fn compare32_constant(&mut self, a: Rm, n: i32) {
        self.integer(false, &[0x81], 7, a, 4);
        self.bytes(&n.to_le_bytes());
    }

    /// Compares 64 bits.
    pub(super) fn compare64(&mut self, a: Gpr, b: Rm) {
        self.integer(true, &[0x3B], a, b, 0);
    }

    /// Compares 64 bits with a constant.
    pub(super) fn compare64_constant(&mut self, a: Gpr, n: i32) {
        self.integer(true, &[0x81], 7, Rm::Reg(a), 4);
        self.bytes(&n.to_le_bytes());
    }

    /// Whether a 32-bit register is zero.
    pub(super) fn test32(&mut self, a: Gpr) {
        self.integer(false, &[0x85], a, Rm::Reg(a), 0);
    }

    /// `to` = number of the lowest bit of `from`.
    pub(super) fn lowest_bit(&mut self, to: Gpr, from: Gpr) {
        self.byte(0xF3);
        self.integer(false, &[0x0F, 0xBC], to, Rm::Reg(from), 0);
    }

    /// Clears the lowest bit; the zero flag says whether none is left.
    pub(super) fn clear_lowest_bit(&mut self, a: Gpr) {
        self.vex(vop(2, 0, 0, 0xF3), false, 1, a, Rm::Reg(a), None);
    }

    pub(super) fn push(&mut self, r: Gpr) {
        if r >= 8 {
            self.byte(0x41);
        }
        self.byte(0x50 | (r & 7));
    }

    pub(super) fn pop(&mut self, r: Gpr) {
        if r >= 8 {
            self.byte(0x41);
        }
        self.byte(0x58 | (r & 7));
    }

    /// Aligns the stack to whole vectors.
    pub(super) fn align_stack(&mut self) {
        self.bytes(&[0x48, 0x83, 0xE4, (self.full.bytes() as u8).wrapping_neg()]);
    }

    /// `rsp -= n`; gives where `n` stands, for [`Self::patch`].
    pub(super) fn grow_stack(&mut self) -> usize {
        self.bytes(&[0x48, 0x81, 0xEC, 0, 0, 0, 0]);
        self.code.len() - 4
    }

    pub(super) fn patch(&mut self, at: usize, n: i32) {
        if let Some(place) = self.code.get_mut(at..at + 4) {
            place.copy_from_slice(&n.to_le_bytes());
        }
    }

    /// Clears the upper halves of the vector registers (other code may be slow otherwise) and returns.
    pub(super) fn leave(&mut self) {
        self.bytes(&[0xC5, 0xF8, 0x77, 0xC3]);
    }

    pub(super) fn jump(&mut self, to: Label) {
        self.byte(0xE9);
        self.jumps.push((self.code.len(), to));
        self.bytes(&[0; 4]);
    }

    pub(super) fn jump_if(&mut self, cond: Cond, to: Label) {
        self.bytes(&[0x0F, 0x80 | cond as u8]);
        self.jumps.push((self.code.len(), to));
        self.bytes(&[0; 4]);
    }

    /// The code and its constants; it may stand anywhere that is aligned to whole vectors.
    pub(super) fn finish(mut self) -> Result<Vec<u8>, String> {
        for (at, label) in std::mem::take(&mut self.jumps) {
            let to = self.labels.get(label.0).copied().flatten().ok_or("a label without a place")?;
            self.patch(at, distance(at + 4, to)?);
        }
        let bytes = self.full.bytes();
        self.code.resize(self.code.len().next_multiple_of(bytes), 0xCC);
        let pool = self.code.len();
        for (at, n, after) in std::mem::take(&mut self.constants) {
            self.patch(at, distance(at + 4 + usize::from(after), pool + bytes * n)?);
        }
        for constant in &self.pool {
            self.code.extend_from_slice(constant.get(..bytes).unwrap_or(constant));
        }
        Ok(self.code)
    }
}

/// Whether an EVEX-encoded instruction must say that its lanes are 64 bits wide.
fn quad(op: Vop) -> u8 {
    match (op.map, op.prefix, op.code) {
        (1, 1, 0x10 | 0x11 | 0x51 | 0x54..=0x5F | 0x73 | 0xC2 | 0xD4 | 0xFB) => 1,
        (2, 1, 0x19 | 0x29 | 0x37 | 0x59) | (3, 1, 0x09) => 1,
        _ => op.w,
    }
}

fn distance(from: usize, to: usize) -> Result<i32, String> {
    let (from, to) = (i64::try_from(from), i64::try_from(to));
    let (Ok(from), Ok(to)) = (from, to) else { return Err("code of absurd size".to_owned()) };
    i32::try_from(to - from).map_err(|_| "code of absurd size".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(f: impl FnOnce(&mut Asm)) -> String {
        code_for(Width::W256, f)
    }

    fn code_for(full: Width, f: impl FnOnce(&mut Asm)) -> String {
        let mut asm = Asm::new(full);
        f(&mut asm);
        asm.code.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ")
    }

    /// The bytes are those that the GNU assembler gives.
    #[test]
    fn encodings() {
        let add = vop(1, 0, 0, 0x58);
        let fma = vop(2, 1, 0, 0xB8);
        let mem = Mem { base: 13, index: Some((12, 2)), disp: 0 };
        let cases: [(&str, String); 24] = [
            ("vaddps %ymm2,%ymm1,%ymm0", code(|a| a.vector(add, Width::W256, 0, 1, Rm::Reg(2)))),
            ("vaddps %xmm10,%xmm9,%xmm8", code(|a| a.vector(add, Width::W128, 8, 9, Rm::Reg(10)))),
            (
                "vaddpd 0x40(%rsp),%ymm1,%ymm9",
                code(|a| a.vector(vop(1, 1, 0, 0x58), Width::W256, 9, 1, Rm::Mem(Mem::at(RSP, 64)))),
            ),
            ("vaddps (%r13,%r12,4),%ymm1,%ymm0", code(|a| a.vector(add, Width::W256, 0, 1, Rm::Mem(mem)))),
            ("vfmadd231ps %ymm14,%ymm3,%ymm2", code(|a| a.vector(fma, Width::W256, 2, 3, Rm::Reg(14)))),
            ("vfmadd231pd %ymm4,%ymm3,%ymm2", code(|a| a.vector(vop(2, 1, 1, 0xB8), Width::W256, 2, 3, Rm::Reg(4)))),
            (
                "vblendvps %ymm5,%ymm4,%ymm3,%ymm2",
                code(|a| a.vector_with(vop(3, 1, 0, 0x4A), Width::W256, 2, 3, Rm::Reg(4), Some(5 << 4))),
            ),
            (
                "vpslld $23,%ymm4,%ymm9",
                code(|a| a.vector_with(vop(1, 1, 0, 0x72), Width::W256, 6, 9, Rm::Reg(4), Some(23))),
            ),
            ("vmovmskps %ymm9,%r10d", code(|a| a.vector(vop(1, 0, 0, 0x50), Width::W256, 10, 0, Rm::Reg(9)))),
            ("mov -8(%rbp),%eax", code(|a| a.load32(0, Rm::Mem(Mem::at(RBP, -8))))),
            ("mov 0x400(%rdi),%r15", code(|a| a.load64(15, Rm::Mem(Mem::at(7, 1024))))),
            ("mov %r9d,(%r12)", code(|a| a.store32(Mem::at(12, 0), 9))),
            ("movslq %ecx,%rdx", code(|a| a.extend(2, Rm::Reg(1)))),
            ("lea 16(%rax,%rbx,1),%r8d", code(|a| a.lea32(8, Mem { base: 0, index: Some((3, 0)), disp: 16 }))),
            ("imul $400,%eax,%r9d", code(|a| a.mul32_constant(9, Rm::Reg(0), 400))),
            ("cmp (%rdi),%rax", code(|a| a.compare64(0, Rm::Mem(Mem::at(7, 0))))),
            ("tzcnt %ecx,%r11d", code(|a| a.lowest_bit(11, 1))),
            ("blsr %ecx,%ecx", code(|a| a.clear_lowest_bit(1))),
            ("blsr %r9d,%r9d", code(|a| a.clear_lowest_bit(9))),
            ("push %r12", code(|a| a.push(12))),
            ("movl $-1,(%rax,%rcx,4)", code(|a| a.store32_constant(Mem { base: 0, index: Some((1, 2)), disp: 0 }, -1))),
            ("add $1000,%r8", code(|a| a.add64(8, 1000))),
            ("imul $1600,%r9,%r9", code(|a| a.mul64_constant(9, Rm::Reg(9), 1600))),
            ("mov %r9,0x28(%rsp)", code(|a| a.store64(Mem::at(RSP, 40), 9))),
        ];
        let wide = |f: &dyn Fn(&mut Asm)| code_for(Width::W512, f);
        let (some, rest) = (Lanes { mask: 3, zero: false }, Lanes { mask: 2, zero: true });
        let far = |disp| Rm::Mem(Mem { base: 13, index: Some((12, 2)), disp });
        let more: [(&str, String); 16] = [
            ("vaddps %zmm2,%zmm1,%zmm0", wide(&|a| a.vector(add, Width::W512, 0, 1, Rm::Reg(2)))),
            ("vaddps %zmm30,%zmm17,%zmm9", wide(&|a| a.vector(add, Width::W512, 9, 17, Rm::Reg(30)))),
            ("vaddps 64(%r13,%r12,4),%zmm1,%zmm20", wide(&|a| a.vector(add, Width::W512, 20, 1, far(64)))),
            ("vaddps 8(%r13,%r12,4),%zmm1,%zmm20", wide(&|a| a.vector(add, Width::W512, 20, 1, far(8)))),
            (
                "vaddpd 32(%rsp),%xmm1,%xmm9",
                wide(&|a| a.vector(vop(1, 1, 0, 0x58), Width::W128, 9, 1, Rm::Mem(Mem::at(RSP, 32)))),
            ),
            ("vfmadd231pd %zmm4,%zmm3,%zmm29", wide(&|a| a.vector(vop(2, 1, 1, 0xB8), Width::W512, 29, 3, Rm::Reg(4)))),
            (
                "vbroadcastss 0x28(%rsi),%zmm31",
                wide(&|a| a.vector(vop(2, 1, 0, 0x18), Width::W512, 31, 0, Rm::Mem(Mem::at(6, 40)))),
            ),
            (
                "vpslld $23,%zmm20,%zmm9",
                wide(&|a| a.vector_with(vop(1, 1, 0, 0x72), Width::W512, 6, 9, Rm::Reg(20), Some(23))),
            ),
            (
                "vcmpgt_oqps %zmm19,%zmm5,%k2",
                wide(&|a| a.vector_with(vop(1, 0, 0, 0xC2), Width::W512, 2, 5, Rm::Reg(19), Some(0x1E))),
            ),
            (
                "vpcmpleq %zmm3,%zmm5,%k7",
                wide(&|a| a.vector_with(vop(3, 1, 1, 0x1F), Width::W512, 7, 5, Rm::Reg(3), Some(2))),
            ),
            (
                "vpxord %zmm21,%zmm21,%zmm21{%k3}",
                wide(&|a| a.evex(vop(1, 1, 0, 0xEF), Width::W512, (21, 21, Rm::Reg(21)), None, some)),
            ),
            (
                "vmovups (%r13,%r12,4),%zmm8{%k2}{z}",
                wide(&|a| a.evex(vop(1, 0, 0, 0x10), Width::W512, (8, 0, far(0)), None, rest)),
            ),
            (
                "vblendmpd %zmm1,%zmm18,%zmm4{%k3}",
                wide(&|a| a.evex(vop(2, 1, 1, 0x65), Width::W512, (4, 18, Rm::Reg(1)), None, some)),
            ),
            (
                "vpmovm2d %k5,%zmm24",
                wide(&|a| a.evex(vop(2, 2, 0, 0x38), Width::W512, (24, 0, Rm::Reg(5)), None, Lanes::default())),
            ),
            (
                "vpternlogd $0xac,%zmm3,%zmm2,%zmm17",
                wide(&|a| a.vector_with(vop(3, 1, 0, 0x25), Width::W512, 17, 2, Rm::Reg(3), Some(0xAC))),
            ),
            ("kmovw %k4,%r11d", wide(&|a| a.vex(vop(1, 0, 0, 0x93), false, 11, 0, Rm::Reg(4), None))),
        ];
        let text: String = cases.iter().chain(&more).map(|(what, bytes)| format!("{what:<36} {bytes}\n")).collect();
        assert_eq!(text, include_str!("encodings.txt"));
    }
}
