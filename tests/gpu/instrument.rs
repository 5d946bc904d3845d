//! Rewrites a kernel so that it reports every index that is out of bounds and every integer divisor that is 0.
//!
//! A driver that checks bounds itself hides an access that is out of bounds: it reads 0 and drops writes, whether the
//! kernel was compiled with checks or not. So the kernel itself compares each index with the length of what it indexes,
//! before the access.
use std::sync::{Mutex, PoisonError};

use naga::{
    AddressSpace, ArraySize, AtomicFunction, BinaryOperator, Block, Expression, Function, GlobalVariable,
    Handle, Literal, Module, ResourceBinding, Scalar, ScalarKind, Span, Statement, StorageAccess, Type,
    TypeInner,
};

/// What is checked in all kernels that were instrumented; a report is 1 + the index of what failed.
static CHECKED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The expression that a report is about.
pub fn describe(report: u32) -> String {
    let checked = CHECKED.lock().unwrap_or_else(PoisonError::into_inner);
    checked[report as usize - 1].clone()
}

/// The WGSL of a kernel with the checks. What failed is reported to `@group(1) @binding(0)`.
pub fn instrument(wgsl: &str) -> String {
    let mut module = parse(wgsl);
    let info = validate(&module);
    let atomic = Type { name: None, inner: TypeInner::Atomic(Scalar::U32) };
    let ty = module.types.insert(atomic, Span::UNDEFINED);
    let report = module.global_variables.append(
        GlobalVariable {
            name: Some("audit_report".to_owned()),
            space: AddressSpace::Storage { access: StorageAccess::LOAD | StorageAccess::STORE },
            binding: Some(ResourceBinding { group: 1, binding: 0 }),
            ty,
            init: None,
            memory_decorations: naga::MemoryDecorations::empty(),
        },
        Span::UNDEFINED,
    );

    let kernel = module.entry_points[0].name.clone();
    let mut functions: Vec<_> = module.functions.iter().map(|(_, function)| function.clone()).collect();
    let infos = module.functions.iter().map(|(handle, _)| &info[handle]);
    for (function, info) in functions.iter_mut().zip(infos) {
        instrument_function(function, info, &module, report, &kernel, wgsl);
    }
    let mut entry = module.entry_points[0].function.clone();
    instrument_function(&mut entry, info.get_entry_point(0), &module, report, &kernel, wgsl);
    for ((_, function), instrumented) in module.functions.iter_mut().zip(functions) {
        *function = instrumented;
    }
    module.entry_points[0].function = entry;

    let info = validate(&module);
    naga::back::wgsl::write_string(&module, &info, naga::back::wgsl::WriterFlags::empty()).unwrap()
}

fn parse(wgsl: &str) -> Module {
    naga::front::wgsl::parse_str(wgsl).unwrap_or_else(|error| panic!("{}", error.emit_to_string(wgsl)))
}

fn validate(module: &Module) -> naga::valid::ModuleInfo {
    let flags = naga::valid::ValidationFlags::all();
    naga::valid::Validator::new(flags, naga::valid::Capabilities::default()).validate(module).unwrap()
}

fn instrument_function(
    function: &mut Function,
    info: &naga::valid::FunctionInfo,
    module: &Module,
    report: Handle<GlobalVariable>,
    kernel: &str,
    wgsl: &str,
) {
    let body = std::mem::take(&mut function.body);
    let original = function.expressions.clone();
    let report = function.expressions.append(Expression::GlobalVariable(report), Span::UNDEFINED);
    let mut pass = Pass { function, original, info, module, report, kernel, wgsl };
    let body = pass.block(body);
    pass.function.body = body;
}

struct Pass<'a> {
    function: &'a mut Function,
    /// The function's expressions before instrumentation.
    original: naga::Arena<Expression>,
    info: &'a naga::valid::FunctionInfo,
    module: &'a Module,
    report: Handle<Expression>,
    kernel: &'a str,
    wgsl: &'a str,
}

impl Pass<'_> {
    fn block(&mut self, block: Block) -> Block {
        let mut out = Block::new();
        for (statement, span) in block.span_into_iter() {
            let statement = match statement {
                Statement::Emit(range) => {
                    for handle in range {
                        self.check(handle, &mut out);
                        let one = naga::Range::new_from_bounds(handle, handle);
                        out.push(Statement::Emit(one), span);
                    }
                    continue;
                }
                Statement::Block(inner) => Statement::Block(self.block(inner)),
                Statement::If { condition, accept, reject } => {
                    Statement::If { condition, accept: self.block(accept), reject: self.block(reject) }
                }
                Statement::Switch { selector, cases } => {
                    let cases = cases.into_iter();
                    let cases =
                        cases.map(|case| naga::SwitchCase { body: self.block(case.body), ..case }).collect();
                    Statement::Switch { selector, cases }
                }
                Statement::Loop { body, continuing, break_if } => {
                    let (body, continuing) = (self.block(body), self.block(continuing));
                    Statement::Loop { body, continuing, break_if }
                }
                other => other,
            };
            out.push(statement, span);
        }
        out
    }

    /// Appends the check of what the expression `handle` indexes or divides by, if it does.
    fn check(&mut self, handle: Handle<Expression>, out: &mut Block) {
        let (what, left, operator, right) = match self.original[handle] {
            Expression::Access { base, index } => {
                let index = self.unsigned(index, out);
                let length = self.length(base, out);
                ("an index is out of bounds", index, BinaryOperator::GreaterEqual, length)
            }
            Expression::Binary { op: BinaryOperator::Divide | BinaryOperator::Modulo, right, .. } => {
                match self.info[right].ty.inner_with(&self.module.types).scalar_kind() {
                    Some(ScalarKind::Uint) => {}
                    Some(ScalarKind::Float) => return,
                    other => panic!("division by {other:?}"),
                }
                let zero = self.append(Expression::Literal(Literal::U32(0)));
                ("a divisor is 0", right, BinaryOperator::Equal, zero)
            }
            _ => return,
        };
        let condition = self.emit(Expression::Binary { op: operator, left, right }, out);
        let span = self.original.get_span(handle);
        let number = {
            let line = span.location(self.wgsl).line_number as usize;
            let text = self.wgsl.lines().nth(line - 1).unwrap_or_default().trim();
            let mut checked = CHECKED.lock().unwrap_or_else(PoisonError::into_inner);
            checked.push(format!("{}: {what} in `{text}`", self.kernel));
            checked.len() as u32
        };
        let value = self.append(Expression::Literal(Literal::U32(number)));
        let fun = AtomicFunction::Max;
        let mut accept = Block::new();
        accept.push(Statement::Atomic { pointer: self.report, fun, value, result: None }, Span::UNDEFINED);
        out.push(Statement::If { condition, accept, reject: Block::new() }, Span::UNDEFINED);
    }

    fn unsigned(&mut self, index: Handle<Expression>, out: &mut Block) -> Handle<Expression> {
        match self.info[index].ty.inner_with(&self.module.types) {
            TypeInner::Scalar(Scalar { kind: ScalarKind::Uint, .. }) => index,
            // A negative index becomes a large one.
            _ => self.emit(Expression::As { expr: index, kind: ScalarKind::Uint, convert: None }, out),
        }
    }

    /// The number of elements of what `base` is or points to.
    fn length(&mut self, base: Handle<Expression>, out: &mut Block) -> Handle<Expression> {
        let types = &self.module.types;
        let indexed = match *self.info[base].ty.inner_with(types) {
            TypeInner::Pointer { base, .. } => types[base].inner.clone(),
            TypeInner::ValuePointer { size: Some(size), scalar, .. } => TypeInner::Vector { size, scalar },
            ref value => value.clone(),
        };
        let length = match indexed {
            TypeInner::Array { size: ArraySize::Constant(length), .. } => length.get(),
            TypeInner::Array { size: ArraySize::Dynamic, .. } => {
                return self.emit(Expression::ArrayLength(base), out);
            }
            TypeInner::Vector { size, .. } => size as u32,
            other => panic!("an index into {other:?}"),
        };
        self.append(Expression::Literal(Literal::U32(length)))
    }

    fn append(&mut self, expression: Expression) -> Handle<Expression> {
        self.function.expressions.append(expression, Span::UNDEFINED)
    }

    fn emit(&mut self, expression: Expression, out: &mut Block) -> Handle<Expression> {
        let handle = self.append(expression);
        out.push(Statement::Emit(naga::Range::new_from_bounds(handle, handle)), Span::UNDEFINED);
        handle
    }
}
