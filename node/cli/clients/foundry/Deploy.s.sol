// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Counter, CounterByTen, CounterProxy} from "../src/Counter.sol";

interface Vm {
    function startBroadcast() external;
    function stopBroadcast() external;
}

/// A counter behind a proxy, upgraded.
contract Deploy {
    Vm private constant VM = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    function run() external returns (Counter counter) {
        VM.startBroadcast();
        Counter first = new Counter();
        bytes memory call = abi.encodeCall(Counter.initialize, (msg.sender));
        counter = Counter(address(new CounterProxy(address(first), call)));
        counter.increase();
        counter.upgradeToAndCall(address(new CounterByTen()), "");
        counter.increase();
        VM.stopBroadcast();
        require(counter.count() == 11, "the proxy does not count by ten");
    }
}
