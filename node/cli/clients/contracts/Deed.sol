// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";

/// An ERC-721 of which anybody makes new ones.
contract Deed is ERC721 {
    constructor() ERC721("Deed", "DEED") {}

    function mint(address to, uint256 id) external {
        _safeMint(to, id);
    }
}
