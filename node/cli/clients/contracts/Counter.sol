// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";

/// What stands behind a proxy at first.
contract Counter is Initializable, UUPSUpgradeable {
    address public owner;
    uint256 public count;

    event Counted(address indexed by, uint256 count);

    error NotOwner(address caller, address owner);

    constructor() {
        _disableInitializers();
    }

    function initialize(address owner_) external initializer {
        owner = owner_;
    }

    function increase() external virtual {
        _add(1);
    }

    function _add(uint256 step) internal {
        count += step;
        emit Counted(msg.sender, count);
    }

    function _authorizeUpgrade(address) internal view override {
        if (msg.sender != owner) revert NotOwner(msg.sender, owner);
    }
}

/// What stands there later.
contract CounterByTen is Counter {
    function increase() external override {
        _add(10);
    }
}

/// The proxy, which solc is to compile.
contract CounterProxy is ERC1967Proxy {
    constructor(address implementation, bytes memory call) ERC1967Proxy(implementation, call) {}
}
