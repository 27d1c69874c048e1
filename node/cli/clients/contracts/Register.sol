// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// Keeps a number. It looks at how long its input is and not at the selector, which FISCO BCOS's clients make with SM3 in
/// a Guomi group.
contract Register {
    uint256 private number;

    event Kept(address indexed by, uint256 number);

    error Unlucky(uint256 number);

    fallback(bytes calldata input) external returns (bytes memory) {
        if (input.length == 36) {
            uint256 given = abi.decode(input[4:], (uint256));
            if (given == 13) revert Unlucky(given);
            number = given;
            emit Kept(msg.sender, given);
        }
        return abi.encode(number);
    }
}
