//! A compiler whose code bears no tables for unwinding.
//!
//! At each trap, and at each error of a host function, wasmer walks the whole stack for a trace: every function of
//! every frame of a call stack, hundreds of thousands at worst, for a call that pays for one instruction. Nothing
//! that runs here needs the tables (a panic of a host function is carried across the contract's code as a value), and
//! without them the walk ends at the innermost function, the one that a trap is told by.

use std::sync::Arc;

use wasmer::{
    CompileError,
    sys::{CompilerConfig, ModuleMiddleware, Target},
};
use wasmer_compiler::{
    Compiler, FunctionBodyData, ModuleTranslationState,
    types::{
        function::{Compilation, UnwindInfo},
        module::CompileModuleInfo,
        section::SectionBody,
    },
};
use wasmer_types::{CompilationProgressCallback, Features, LocalFunctionIndex, entity::PrimaryMap};

/// The configuration of a compiler, whose code is left without tables for unwinding.
#[derive(Debug)]
pub(crate) struct WithoutUnwinding<C>(pub(crate) C);

impl<C: CompilerConfig> CompilerConfig for WithoutUnwinding<C> {
    fn compiler(self: Box<Self>) -> Box<dyn Compiler> {
        Box::new(Bare(Box::new(self.0).compiler()))
    }

    fn default_features_for_target(&self, target: &Target) -> Features {
        self.0.default_features_for_target(target)
    }

    fn supported_features_for_target(&self, target: &Target) -> Features {
        self.0.supported_features_for_target(target)
    }

    fn push_middleware(&mut self, middleware: Arc<dyn ModuleMiddleware>) {
        self.0.push_middleware(middleware);
    }
}

#[derive(Debug)]
struct Bare(Box<dyn Compiler>);

impl Compiler for Bare {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn deterministic_id(&self) -> String {
        format!("{}-without_unwinding", self.0.deterministic_id())
    }

    fn artifact_format(&self) -> String {
        self.0.artifact_format()
    }

    fn compile_module(
        &self,
        target: &Target,
        module: &CompileModuleInfo,
        compile_info_blob: &[u8],
        module_translation: &ModuleTranslationState,
        function_body_inputs: PrimaryMap<LocalFunctionIndex, FunctionBodyData<'_>>,
        progress_callback: Option<&CompilationProgressCallback>,
    ) -> Result<Compilation, CompileError> {
        let mut made = self.0.compile_module(
            target,
            module,
            compile_info_blob,
            module_translation,
            function_body_inputs,
            progress_callback,
        )?;
        if let Compilation::Rkyv { compilation, .. } = &mut made {
            let UnwindInfo { eh_frame, .. } = std::mem::take(&mut compilation.unwind_info);
            if let Some(section) = eh_frame.and_then(|index| compilation.custom_sections.get_mut(index)) {
                section.bytes = SectionBody::default();
                section.relocations.clear();
            }
        }
        Ok(made)
    }

    fn get_middlewares(&self) -> &[Arc<dyn ModuleMiddleware>] {
        self.0.get_middlewares()
    }
}
