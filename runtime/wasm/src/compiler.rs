//! The compilers, and engines of theirs.

use entente_crypto::{Domain, Suite};
use entente_types::Hash;
use wasmer::{
    Engine,
    sys::{Cranelift, CraneliftOptLevel, EngineBuilder, Target, vm},
};

use crate::without_unwinding::WithoutUnwinding;

/// The version of Cranelift that wasmer is built with; it tells no one. A test holds it to the lockfile.
const CRANELIFT_VERSION: &str = "0.135.0";

/// What makes machine code of a module. Whatever is chosen, results and gas are the same: both are decided by the
/// module and what [`instrument`](crate::instrument) adds to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compiler {
    /// Cranelift, optimising for speed: what nodes use.
    #[default]
    Optimising,
    /// Cranelift without its optimisations: a second opinion for tests. Its frames on the real stack are larger.
    Plain,
}

/// Makes the engines of one compiler on this machine.
pub(crate) struct EngineFactory {
    compiler: Compiler,
    target: Target,
    /// Everything that machine code depends on beside the module.
    identity: String,
}

impl EngineFactory {
    pub(crate) fn new(compiler: Compiler) -> Self {
        let target = Target::default();
        let mut factory = Self { compiler, target, identity: String::new() };
        factory.identity = format!(
            "wasmer {}, cranelift {CRANELIFT_VERSION}, {}, {}, features {:#x}",
            vm::VERSION,
            factory.engine().deterministic_id(),
            factory.target.triple(),
            factory.target.cpu_features().as_u64(),
        );
        factory
    }

    /// An engine for one module. wasmer gives machine code back only with the engine it was made in, so that modules
    /// that shared an engine would never be freed.
    pub(crate) fn engine(&self) -> Engine {
        let mut cranelift = Cranelift::default();
        cranelift.opt_level(match self.compiler {
            Compiler::Optimising => CraneliftOptLevel::Speed,
            Compiler::Plain => CraneliftOptLevel::None,
        });
        EngineBuilder::new(WithoutUnwinding(cranelift)).set_target(Some(self.target.clone())).engine().into()
    }

    /// What the machine code of a module is kept under. It covers the very bytes that are compiled, so a change to what
    /// is added to modules, or to the gas schedule, needs no version that someone could forget to raise.
    pub(crate) fn key(&self, code_hash: &Hash, instrumented: &[u8]) -> Hash {
        let length = (self.identity.len() as u64).to_le_bytes();
        let parts = [code_hash.as_ref(), &length, self.identity.as_bytes(), instrumented];
        Suite::Standard.hash(Domain::CODE_CACHE, &parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_versions_are_those_of_the_lockfile() {
        let lockfile = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock");
        let text = std::fs::read_to_string(lockfile).unwrap();
        let packages = [("wasmer", vm::VERSION), ("cranelift-codegen", CRANELIFT_VERSION)];
        for (name, version) in packages {
            assert!(text.contains(&format!("name = \"{name}\"\nversion = \"{version}\"\n")), "{name} {version}");
        }
        let identity = EngineFactory::new(Compiler::Optimising).identity;
        assert!(
            packages.iter().all(|(name, version)| {
                let name = name.trim_end_matches("-codegen");
                identity.contains(&format!("{name} {version}, "))
            }),
            "{identity}"
        );
    }

    #[test]
    fn the_key_tells_code_compiler_version_and_processor_apart() {
        let factory = EngineFactory::new(Compiler::Optimising);
        let key = factory.key(&Hash::ZERO, b"module");
        assert_eq!(EngineFactory::new(Compiler::Optimising).key(&Hash::ZERO, b"module"), key);
        let with = |identity: &str| EngineFactory { identity: identity.into(), ..EngineFactory::new(Compiler::Plain) };
        let others = [
            factory.key(&Hash([1; 32]), b"module"),
            factory.key(&Hash::ZERO, b"modulf"),
            EngineFactory::new(Compiler::Plain).key(&Hash::ZERO, b"module"),
            with(&factory.identity.replace(vm::VERSION, "7.4.3")).key(&Hash::ZERO, b"module"),
            with(&format!("{}1", factory.identity)).key(&Hash::ZERO, b"module"),
            // What ends one part cannot begin the next.
            with(&format!("{}m", factory.identity)).key(&Hash::ZERO, b"odule"),
        ];
        for other in others {
            assert_ne!(other, key);
        }
    }
}
