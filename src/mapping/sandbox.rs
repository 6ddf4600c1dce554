//! The script engine, and what keeps a script from harming the process.
//!
//! Beyond the engine's own limits: there is no `this` and no `curry`, through which
//! values grow unseen by the limits; library functions whose result may be much
//! larger than their arguments are replaced by bounded ones; there is no clock, no
//! sleep and no module; scripts run on a stack of their own, because values may nest
//! as deep as the size limits allow.

use std::cell::{Cell, RefCell};
use std::sync::LazyLock;
use std::time::Instant;

use rhai::packages::{
    ArithmeticPackage, BasicArrayPackage, BasicFnPackage, BasicIteratorPackage, BasicMapPackage, BasicMathPackage,
    BasicStringPackage, LogicPackage, MoreStringPackage, Package,
};
use rhai::{
    Array, Dynamic, Engine, EvalAltResult, FnPtr, INT, ImmutableString, NativeCallContext, OptimizationLevel, Position,
};

use super::convert::to_dynamic;

pub(super) const OPERATIONS_MAX: u64 = 200_000;
const STRING_MAX: usize = 256 * 1_024;
const ARRAY_MAX: usize = 10_000;
const MAP_MAX: usize = 1_000;
const CALLS_MAX: usize = 16;
const FUNCTIONS_MAX: usize = 50;
const VARIABLES_MAX: usize = 64;
const LOG_LINES_MAX: usize = 100;
const LOG_LINE_MAX: usize = 1_024;
/// Reserved, not used: only pages that a script touches count.
const STACK: usize = 64 * 1_024 * 1_024;
/// Between two looks at the clock; one operation is short because all data is bounded.
const OPERATIONS_PER_LOOK: u64 = 16;

thread_local! {
    static DEADLINE: Cell<Option<Instant>> = const { Cell::new(None) };
    static LOGS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

pub(super) static ENGINE: LazyLock<Engine> = LazyLock::new(engine);

/// Runs `work` on a thread with a deep stack of its own and waits for it.
pub(super) fn on_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> std::io::Result<T> {
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().name("transform".into()).stack_size(STACK);
        let thread = builder.spawn_scoped(scope, work)?;
        Ok(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

/// Scripts on this thread end at `deadline`.
pub(super) fn set_deadline(deadline: Instant) {
    DEADLINE.set(Some(deadline));
}

/// What scripts on this thread printed since the last call.
pub(super) fn take_logs() -> Vec<String> {
    LOGS.take()
}

fn engine() -> Engine {
    let mut engine = Engine::new_raw();
    ArithmeticPackage::new().register_into_engine(&mut engine);
    LogicPackage::new().register_into_engine(&mut engine);
    BasicMathPackage::new().register_into_engine(&mut engine);
    BasicStringPackage::new().register_into_engine(&mut engine);
    MoreStringPackage::new().register_into_engine(&mut engine);
    BasicIteratorPackage::new().register_into_engine(&mut engine);
    BasicFnPackage::new().register_into_engine(&mut engine);
    BasicArrayPackage::new().register_into_engine(&mut engine);
    BasicMapPackage::new().register_into_engine(&mut engine);
    engine
        .set_max_operations(OPERATIONS_MAX)
        .set_max_string_size(STRING_MAX)
        .set_max_array_size(ARRAY_MAX)
        .set_max_map_size(MAP_MAX)
        .set_max_expr_depths(32, 16)
        .set_max_call_levels(CALLS_MAX)
        .set_max_functions(FUNCTIONS_MAX)
        .set_max_variables(VARIABLES_MAX)
        .set_strict_variables(true)
        // Constants that are folded into a program would be those of the record that it was compiled with.
        .set_optimization_level(OptimizationLevel::None)
        .disable_symbol("eval")
        .disable_symbol("this")
        .disable_symbol("curry")
        .on_print(log)
        .on_debug(|text, _, position| log(&format!("{position:?} {text}")))
        .on_progress(|operations| {
            let late = || DEADLINE.get().is_some_and(|deadline| Instant::now() >= deadline);
            (operations.is_multiple_of(OPERATIONS_PER_LOOK) && late()).then_some(Dynamic::UNIT)
        });
    register_bounded(&mut engine);
    engine
}

fn log(text: &str) {
    LOGS.with_borrow_mut(|lines| {
        if lines.len() < LOG_LINES_MAX {
            lines.push(text[..text.floor_char_boundary(LOG_LINE_MAX)].to_owned());
        } else if lines.len() == LOG_LINES_MAX {
            lines.push(format!("… only the first {LOG_LINES_MAX} lines are kept"));
        }
    });
}

type Checked<T> = Result<T, Box<EvalAltResult>>;

/// Functions that stand in for those of the packages.
fn register_bounded(engine: &mut Engine) {
    engine.register_fn("replace", |text: &mut ImmutableString, from: &str, to: &str| replace(text, from, to));
    engine.register_fn("replace", |text: &mut ImmutableString, from: &str, to: char| {
        replace(text, from, to.encode_utf8(&mut [0; 4]))
    });
    engine.register_fn("replace", |text: &mut ImmutableString, from: char, to: &str| {
        replace(text, from.encode_utf8(&mut [0; 4]), to)
    });
    engine.register_fn("replace", |text: &mut ImmutableString, from: char, to: char| {
        replace(text, from.encode_utf8(&mut [0; 4]), to.encode_utf8(&mut [0; 4]))
    });
    engine.register_fn("map", map);
    engine.register_fn("parse_json", parse_json);
}

fn too_large(what: &str) -> Box<EvalAltResult> {
    EvalAltResult::ErrorDataTooLarge(what.to_owned(), Position::NONE).into()
}

fn replace(text: &mut ImmutableString, from: &str, to: &str) -> Checked<()> {
    if text.is_empty() {
        return Ok(());
    }
    let matches = text.matches(from).count();
    if text.len().saturating_add(matches.saturating_mul(to.len())) > STRING_MAX.saturating_add(matches * from.len()) {
        return Err(too_large("Length of string"));
    }
    *text = text.replace(from, to).into();
    Ok(())
}

/// As the package's: `|item|`, or `|item, index|`.
fn map(context: NativeCallContext<'_>, array: &mut Array, function: FnPtr) -> Checked<Array> {
    let mut out = Array::with_capacity(array.len());
    let mut bytes = 0;
    let mut with_index = false;
    for (i, item) in array.iter().enumerate() {
        let index = Dynamic::from(INT::try_from(i).unwrap_or(INT::MAX));
        let mut result = Err(too_large("Size of array"));
        if !with_index {
            result = function.call_raw(&context, None, [item.clone()]);
            with_index = i == 0 && matches!(&result, Err(e) if is_missing(e, &function));
        }
        if with_index {
            result = function.call_raw(&context, None, [item.clone(), index]);
        }
        let value = result?;
        bytes += weight(&value);
        if bytes > STRING_MAX + ARRAY_MAX * size_of::<Dynamic>() {
            return Err(too_large("Size of array"));
        }
        out.push(value);
    }
    Ok(out)
}

fn is_missing(error: &EvalAltResult, function: &FnPtr) -> bool {
    matches!(error, EvalAltResult::ErrorFunctionNotFound(name, _) if name.starts_with(function.fn_name()))
}

/// About how many bytes a value takes, all that it holds included.
fn weight(value: &Dynamic) -> usize {
    let held = if let Some(text) = value.read_lock::<ImmutableString>() {
        text.len()
    } else if let Some(items) = value.read_lock::<Array>() {
        items.iter().map(weight).sum()
    } else if let Some(map) = value.read_lock::<rhai::Map>() {
        map.iter().map(|(key, item)| key.len() + weight(item)).sum()
    } else {
        0
    };
    held + size_of::<Dynamic>()
}

fn parse_json(text: &str) -> Checked<Dynamic> {
    let value: serde_json::Value = serde_json::from_str(text).map_err(|e| format!("parse_json: {e}"))?;
    Ok(to_dynamic(&value))
}
