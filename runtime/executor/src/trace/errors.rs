//! Faults in the words of Ethereum's nodes.

use entente_types::ReceiptError;

/// What Ethereum's nodes call a fault, by which tools know it; our own words where they have none.
pub fn ethereum_words(error: &ReceiptError) -> &str {
    match error.code.as_str() {
        "revert" => "execution reverted",
        "out_of_gas" => "out of gas",
        "depth" => "max call depth exceeded",
        "balance" => "insufficient balance for transfer",
        "address_taken" => "contract address collision",
        "read_only" => "write protection",
        "nonce_overflow" => "nonce uint64 overflow",
        "invalid_jump" => "invalid jump destination",
        "stack_underflow" => "stack underflow",
        "stack_overflow" => "stack limit reached 1024",
        "invalid" => "invalid opcode: INVALID",
        "unknown_instruction" => "invalid opcode",
        "out_of_offset" => "return data out of bounds",
        "reserved_code" => "invalid code: must not begin with 0xef",
        _ => &error.message,
    }
}

#[cfg(test)]
mod tests {
    use entente_host::ContractFault;

    use super::*;

    #[test]
    fn faults_that_ethereum_knows_have_its_words_and_others_ours() {
        let words = |fault: ContractFault| ethereum_words(&fault.receipt_error()).to_owned();
        assert_eq!(words(ContractFault::OutOfGas), "out of gas");
        assert_eq!(words(ContractFault::Depth { limit: 64 }), "max call depth exceeded");
        assert_eq!(words(ContractFault::ReadOnly("emit a log")), "write protection");
        assert_eq!(words(ContractFault::Evm { code: "invalid", message: "INVALID" }), "invalid opcode: INVALID");
        assert_eq!(words(ContractFault::Native("no".into())), "no");
    }
}
