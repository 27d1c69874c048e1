// What a program with FISCO BCOS's go-sdk does: fisco URL SUITE, in the folder where the clients are installed.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"strings"
	"time"

	"github.com/FISCO-BCOS/go-sdk/abi"
	"github.com/FISCO-BCOS/go-sdk/abi/bind"
	"github.com/FISCO-BCOS/go-sdk/client"
	"github.com/FISCO-BCOS/go-sdk/conf"
	"github.com/FISCO-BCOS/go-sdk/core/types"
	"github.com/ethereum/go-ethereum/common"
)

// How the contract is called, whose functions are told apart by the length of the input alone.
const calls = `[
	{"type":"function","name":"set","inputs":[{"name":"number","type":"uint256"}],
	 "outputs":[{"name":"","type":"uint256"}],"stateMutability":"nonpayable","payable":false,"constant":false},
	{"type":"function","name":"get","inputs":[],
	 "outputs":[{"name":"","type":"uint256"}],"stateMutability":"view","payable":false,"constant":true}
]`

func check(holds bool, what string, found ...interface{}) {
	if !holds {
		fmt.Fprintln(os.Stderr, append([]interface{}{what + ":"}, found...)...)
		os.Exit(1)
	}
}

func must(err error) {
	check(err == nil, "failed", err)
}

// The code that creates the contract, as solc made it.
func creation() []byte {
	text, err := os.ReadFile("contracts.json")
	must(err)
	var contracts map[string]struct{ Bytecode string }
	must(json.Unmarshal(text, &contracts))
	return common.FromHex(contracts["Register"].Bytecode)
}

func dial(url string, guomi bool) *client.Client {
	// Not a new one: where a coordinate of SM2's key begins with a zero byte, the library writes another key.
	key := bytes.Repeat([]byte{7}, 32)
	c, err := client.Dial(&conf.Config{
		IsHTTP: true, ChainID: 1, GroupID: 1, IsSMCrypto: guomi, PrivateKey: key, NodeURL: url,
	})
	must(err)
	return c
}

func main() {
	url, guomi := os.Args[1], os.Args[2] == "guomi"
	c := dial(url, guomi)
	// It says what it waits for in between.
	steps := os.Stdout
	os.Stdout = os.Stderr
	limit, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()

	height, err := c.GetBlockNumber(limit)
	must(err)
	check(height == 0, "a new chain", height)
	fmt.Fprintln(steps, "chain")

	functions, err := abi.JSON(strings.NewReader(calls))
	must(err)
	address, deployment, contract, err := bind.DeployContract(c.GetTransactOpts(), functions, creation(), c)
	must(err)
	code, err := c.GetCode(limit, address)
	must(err)
	check(len(code) > 100, "the contract's code", len(code))
	receipt, err := c.GetTransactionReceipt(limit, deployment.Hash())
	must(err)
	check(receipt.Status == types.Success && receipt.ContractAddress == address, "deployed", receipt)
	fmt.Fprintln(steps, "deploy")

	set, receipt, err := contract.Transact(c.GetTransactOpts(), "set", big.NewInt(42))
	must(err)
	check(receipt.Status == types.Success, "set", receipt)
	check(len(receipt.Logs) == 1 && strings.HasSuffix(receipt.Logs[0].Data, "2a"), "its event", receipt.Logs)
	sender := c.GetTransactOpts().From
	check(common.HexToAddress(receipt.From) == sender, "its sender", receipt.From, sender.Hex())
	var number *big.Int
	must(contract.Call(c.GetCallOpts(), &number, "get"))
	check(number.Int64() == 42, "get", number)
	_, receipt, err = contract.Transact(c.GetTransactOpts(), "set", big.NewInt(13))
	must(err)
	check(receipt.Status == types.RevertInstruction, "reverts", receipt)
	fmt.Fprintln(steps, "calls")

	shown, err := c.GetTransactionByHash(limit, set.Hash())
	must(err)
	check(common.HexToHash(shown.Hash) == set.Hash(), "its hash", shown)
	check(shown.Nonce == fmt.Sprintf("0x%x", set.Nonce()), "its random id", shown.Nonce, set.Nonce())
	check(common.HexToAddress(shown.From) == sender && common.HexToAddress(shown.To) == address, "its ends", shown)
	check(shown.Gas == "0x1c9c380" && shown.GasPrice == "0x1c9c380", "its gas", shown)
	check(shown.Input == fmt.Sprintf("0x%x", set.Data()), "its input", shown.Input)
	block, err := c.GetBlockByNumber(limit, 2, true)
	must(err)
	check(len(block.Transactions) == 1, "its block", block)
	fmt.Fprintln(steps, "fields")

	_, err = c.SendTransaction(limit, set)
	check(err != nil && strings.Contains(err.Error(), "nonce"), "sent again", err)
	c.SetGroupID(2)
	_, err = c.SendTransaction(limit, set)
	check(err != nil, "to another group", err)
	fmt.Fprintln(steps, "refusals")
}
