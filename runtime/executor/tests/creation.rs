//! How contracts are made, and what is left where they are not.

mod common;

use common::{Chain, account, genesis, script::*};
use entente_crypto::{Domain, Suite};
use entente_executor::{Account, container};
use entente_host::NativeRegistry;
use entente_state::{Row, StateReader, Table};
use entente_types::{Address, Status};

fn chain() -> Chain {
    Chain::new(genesis(), NativeRegistry::default())
}

fn module() -> Vec<u8> {
    wat::parse_str(SCRIPT).expect("wat")
}

fn rows_of(chain: &Chain, table: &Table) -> usize {
    let table = Row::new(table, &[]);
    chain.state.0.keys().filter(|row| row.table() == table.table()).count()
}

#[test]
fn the_address_follows_from_creator_transaction_and_index() {
    let mut chain = chain();
    let deployment = chain.sign(1, None, container(&module(), &write(1, 5)), 100_000_000);
    let receipt = chain.commit(std::slice::from_ref(&deployment)).receipts[0].clone();
    let address = |creator: Address, transaction: &entente_types::Hash, index: u32| {
        let hash = Suite::Standard.hash(Domain::CREATE, &[&creator.0, &transaction.0, &index.to_le_bytes()]);
        Address(*hash.0.last_chunk().unwrap())
    };
    let factory = address(account(1), &deployment.hash, 0);
    assert_eq!((receipt.status, receipt.contract), (Status::Success, Some(factory)));
    assert!(receipt.output.is_empty());
    assert_eq!(chain.state.row(&Row::new(&Table::Contract(factory), &[1])).unwrap(), Some(5_u64.to_le_bytes().into()));

    let steps = [create(0, &container(&module(), &[])), create(0, &container(&module(), &[]))].concat();
    let transaction = chain.sign(1, Some(factory), steps, 200_000_000);
    let receipt = chain.commit(std::slice::from_ref(&transaction)).receipts[0].clone();
    let [first, second] = [0, 1].map(|index| address(factory, &transaction.hash, index));
    assert_eq!(receipt.output, [&[SUCCESS][..], &first.0, &[SUCCESS], &second.0].concat());
    assert_ne!(first, second);
    for created in [first, second] {
        let bytes = chain.state.row(&Account::row(&created)).unwrap().expect("an account");
        let code = Account::from_bytes(&created, &bytes).unwrap().code.expect("code");
        assert_eq!(code.hash, Suite::Standard.hash(Domain::CODE, &[&module()]));
    }
    assert_eq!(rows_of(&chain, &Table::Code), 1, "the same code stands once");
}

#[test]
fn a_constructor_that_fails_leaves_nothing() {
    let mut chain = chain();
    for (ending, status) in [(revert(3), Status::Revert), (trap(), Status::BadInstruction)] {
        let receipt = chain.deploy(&module(), &[write(1, 1), log(1), ending].concat());
        assert_eq!((receipt.status, receipt.contract), (status, None));
        assert!(receipt.logs.is_empty());
        assert_eq!((rows_of(&chain, &Table::Code), rows_of(&chain, &Table::Accounts)), (0, 0));
    }
}

#[test]
fn a_creation_that_its_creator_reverts_leaves_nothing() {
    let mut chain = chain();
    let factory = chain.deploy_wat(SCRIPT);
    let other = wat::parse_str(
        r#"(module (memory (export "memory") 1)
            (func (export "deploy") (result i32) i32.const 0) (func (export "call") (result i32) i32.const 0))"#,
    )
    .unwrap();
    let before = (rows_of(&chain, &Table::Code), rows_of(&chain, &Table::Accounts));
    let inner = [create(0, &container(&other, &[])), revert(1)].concat();
    let receipt = chain.one(1, Some(factory), call(factory, &inner));
    assert_eq!((receipt.status, receipt.output), (Status::Success, vec![REVERTED]));
    assert_eq!((rows_of(&chain, &Table::Code), rows_of(&chain, &Table::Accounts)), before);
}

#[test]
fn a_module_that_breaks_a_rule_is_refused_with_rule_and_offset() {
    let mut chain = chain();
    let float = wat::parse_str(
        r#"(module (memory (export "memory") 1)
            (func (export "deploy") (result i32) f32.const 1 drop i32.const 0) (func (export "call") (result i32) i32.const 0))"#,
    )
    .unwrap();
    let receipt = chain.deploy(&float, &[]);
    let error = receipt.error.expect("an error");
    assert_eq!((receipt.status, error.code.as_str()), (Status::BadInstruction, "module_rule/float"));
    let offset = float.windows(5).position(|bytes| bytes == [0x43, 0, 0, 0x80, 0x3f]).expect("f32.const 1");
    assert!(error.message.contains(&format!("rule `float` at offset {offset}: ")), "{}", error.message);
    for (input, code) in [
        (b"\x60\x80\x60\x40".to_vec(), "container"),
        (vec![], "container"),
        (container(&[], &[]), "module_rule/validation"),
        (container(b"\0asm\x01\0\0\0", &[]), "module_rule/memory"),
    ] {
        let receipt = chain.one(1, None, input);
        assert_eq!(receipt.error.expect("an error").code, code);
    }
    assert_eq!((rows_of(&chain, &Table::Code), rows_of(&chain, &Table::Accounts)), (0, 0));
}
