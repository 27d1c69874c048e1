//! What an ABI may contain.

use alloy_dyn_abi::{DynSolType, Specifier};
use alloy_json_abi::{EventParam, JsonAbi, Param};

use super::AbiError;
use crate::limits::{ABI_DIMENSIONS_MAX, ABI_NAME_BYTES_MAX, ABI_PARTS_MAX, shown};

/// Checks every name and type. The decoder allocates by the type before it reads, and takes a length for as many
/// elements of no bytes as it says: types that are too large or of no parts are refused here, once.
pub(super) fn check(abi: &JsonAbi) -> Result<(), AbiError> {
    if let Some(constructor) = &abi.constructor {
        check_parameters("constructor", &constructor.inputs)?;
    }
    for function in abi.functions() {
        check_name(&function.name)?;
        check_parameters(&function.name, &function.inputs)?;
        check_parameters(&function.name, &function.outputs)?;
    }
    for error in abi.errors() {
        check_name(&error.name)?;
        check_parameters(&error.name, &error.inputs)?;
    }
    for event in abi.events() {
        check_name(&event.name)?;
        let mut parts = 0_usize;
        for EventParam { ty, name, components, .. } in &event.inputs {
            parts = parts.saturating_add(check_parameter(&event.name, name, ty, components)?);
        }
        bound(&event.name, parts)?;
    }
    Ok(())
}

fn check_parameters(item: &str, parameters: &[Param]) -> Result<(), AbiError> {
    let mut parts = 0_usize;
    for Param { ty, name, components, .. } in parameters {
        parts = parts.saturating_add(check_parameter(item, name, ty, components)?);
    }
    bound(item, parts)
}

fn bound(item: &str, parts: usize) -> Result<(), AbiError> {
    let found = || format!("{parts} parts together");
    if parts <= ABI_PARTS_MAX { Ok(()) } else { Err(refused(item, &found(), "which is more than is supported")) }
}

fn refused(item: &str, found: &str, reason: &'static str) -> AbiError {
    AbiError::Type { item: item.to_owned(), found: shown(found, 60), reason }
}

/// The parts of a parameter's type.
fn check_parameter(item: &str, name: &str, ty: &str, components: &[Param]) -> Result<usize, AbiError> {
    if !name.is_empty() {
        check_name(name)?;
    }
    if ty.contains('(') || ty.matches('[').count() > ABI_DIMENSIONS_MAX {
        return Err(refused(item, ty, "which is nested too deeply"));
    }
    for component in components {
        check_parameter(item, &component.name, &component.ty, &component.components)?;
    }
    let parameter = Param::new(name, ty, components.to_vec(), None);
    let resolved = parameter.ok().and_then(|parameter| parameter.resolve().ok());
    let resolved = resolved.ok_or_else(|| refused(item, ty, "which is not known"))?;
    let parts = parts(&resolved).ok_or_else(|| refused(item, ty, "which has no parts or too many"))?;
    Ok(parts)
}

/// The parts of a type, if every piece of it has at least one and the whole has not too many.
fn parts(ty: &DynSolType) -> Option<usize> {
    let count = match ty {
        DynSolType::Array(inner) => parts(inner)?.checked_add(1)?,
        DynSolType::FixedArray(inner, length) => parts(inner)?.checked_mul(*length)?,
        DynSolType::Tuple(inner) | DynSolType::CustomStruct { tuple: inner, .. } => {
            inner.iter().try_fold(0_usize, |sum, inner| sum.checked_add(parts(inner)?))?
        }
        _ => 1,
    };
    (1..=ABI_PARTS_MAX).contains(&count).then_some(count)
}

fn check_name(name: &str) -> Result<(), AbiError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$');
    if name.is_empty() || name.len() > ABI_NAME_BYTES_MAX || !name.bytes().all(allowed) {
        return Err(AbiError::Name(name.chars().take(ABI_NAME_BYTES_MAX).collect()));
    }
    Ok(())
}
