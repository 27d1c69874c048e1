// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// The token of `entente load --workload erc20`: what every ERC-20 does, and no more.
contract Erc20 {
    uint256 public totalSupply;
    mapping(address holder => uint256) public balanceOf;

    event Transfer(address indexed from, address indexed to, uint256 value);

    error InsufficientBalance(uint256 balance, uint256 needed);

    /// Mints all there will ever be to whoever deploys it.
    constructor() {
        totalSupply = 10 ** 27;
        balanceOf[msg.sender] = totalSupply;
        emit Transfer(address(0), msg.sender, totalSupply);
    }

    function transfer(address to, uint256 value) external returns (bool) {
        uint256 balance = balanceOf[msg.sender];
        if (balance < value) revert InsufficientBalance(balance, value);
        unchecked {
            // No balance is more than the supply.
            balanceOf[msg.sender] = balance - value;
            balanceOf[to] += value;
        }
        emit Transfer(msg.sender, to, value);
        return true;
    }
}
