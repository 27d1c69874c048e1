// What a program with go-ethereum's client does: use URL TOKEN, in the folder where the clients are installed.
package main

import (
	"context"
	"crypto/ecdsa"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/accounts/abi/bind/v2"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/ethclient/gethclient"
	"github.com/ethereum/go-ethereum/rpc"
	"github.com/holiman/uint256"
)

var supply, _ = new(big.Int).SetString("1000000000000000000000", 10)

// kind is what a compiler leaves of a contract.
type kind struct {
	ABI      abi.ABI       `json:"abi"`
	Bytecode hexutil.Bytes `json:"bytecode"`
}

// person signs with a key of their own.
type person struct {
	key  *ecdsa.PrivateKey
	opts *bind.TransactOpts
}

func (who person) address() common.Address { return who.opts.From }

// contract is one that is deployed, and its ABI.
type contract struct {
	*bind.BoundContract
	abi abi.ABI
}

// Transfer is the event of both tokens.
type Transfer struct {
	From, To common.Address
	Value    *big.Int
	Raw      *types.Log
}

func (Transfer) ContractEventName() string { return "Transfer" }

type use struct {
	ctx        context.Context
	url        string
	module     string
	client     *ethclient.Client
	geth       *gethclient.Client
	chainID    *big.Int
	kinds      map[string]kind
	alice, bob person
	coin       contract
	transfer   *types.Receipt
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	u := &use{ctx: ctx, url: os.Args[1], module: os.Args[2]}
	u.client = must(ethclient.DialContext(ctx, u.url))
	u.geth = gethclient.New(u.client.Client())
	u.chainID = must(u.client.ChainID(ctx))
	check(json.Unmarshal(must(os.ReadFile("contracts.json")), &u.kinds))
	u.alice, u.bob = u.person(), u.person()
	steps := []struct {
		name string
		run  func()
	}{
		{"chain", u.chain},
		{"erc20", u.erc20},
		{"erc721", u.erc721},
		{"proxy", u.proxy},
		{"logs", u.logs},
		{"subscriptions", u.subscriptions},
		{"errors", u.errors},
		{"gas", u.gas},
		{"traces", u.traces},
		{"fields", u.fields},
		{"nonces", u.nonces},
		{"delegations", u.delegations},
		{"wasm", u.wasm},
	}
	for _, step := range steps {
		step.run()
		fmt.Println(step.name)
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func equal(found, expected any) {
	if !reflect.DeepEqual(found, expected) {
		panic(fmt.Sprintf("found %v, expected %v", found, expected))
	}
}

// same compares numbers: two of the same value may differ in what they hold.
func same(found *big.Int, expected int64) {
	if found.Cmp(big.NewInt(expected)) != 0 {
		panic(fmt.Sprintf("found %v, expected %v", found, expected))
	}
}

func holds(condition bool, found any) {
	if !condition {
		panic(fmt.Sprint(found))
	}
}

func (u *use) person() person {
	key := must(crypto.GenerateKey())
	return person{key, bind.NewKeyedTransactor(key, u.chainID)}
}

// included waits for a receipt, whatever its status.
func (u *use) included(hash common.Hash) *types.Receipt {
	for {
		receipt, err := u.client.TransactionReceipt(u.ctx, hash)
		if err == nil {
			return receipt
		}
		if !errors.Is(err, ethereum.NotFound) {
			panic(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (u *use) mined(transaction *types.Transaction) *types.Receipt {
	receipt := u.included(transaction.Hash())
	equal(receipt.Status, types.ReceiptStatusSuccessful)
	return receipt
}

func (u *use) at(address common.Address, abi abi.ABI) contract {
	return contract{bind.NewBoundContract(address, abi, u.client, u.client, u.client), abi}
}

func (u *use) deploy(what kind, arguments ...any) contract {
	input := must(what.ABI.Pack("", arguments...))
	address, transaction, err := bind.DeployContract(u.alice.opts, what.Bytecode, u.client, input)
	check(err)
	equal(must(bind.WaitDeployed(u.ctx, u.client, transaction.Hash())), address)
	return u.at(address, what.ABI)
}

func (u *use) write(who person, to contract, method string, arguments ...any) *types.Receipt {
	return u.mined(must(to.Transact(who.opts, method, arguments...)))
}

// read is the only value that a call answers.
func read[T any](of contract, opts *bind.CallOpts, method string, arguments ...any) T {
	var results []any
	check(of.Call(opts, &results, method, arguments...))
	return *abi.ConvertType(results[0], new(T)).(*T)
}

func balance(of contract, who common.Address) *big.Int {
	return read[*big.Int](of, nil, "balanceOf", who)
}

// refused holds if the error is this custom error of the contract.
func refused(err error, of contract, name string, arguments ...any) {
	data, reverted := ethclient.RevertErrorData(err)
	holds(reverted, err)
	kind := must(of.abi.ErrorByID([4]byte(data)))
	equal(kind.Name, name)
	equal(must(kind.Unpack(data)), arguments)
}

func unpacked(from contract) func(*types.Log) (*Transfer, error) {
	return func(log *types.Log) (*Transfer, error) {
		event := &Transfer{Raw: log}
		return event, from.UnpackLog(event, "Transfer", *log)
	}
}

// sign makes a transaction and sends it.
func (u *use) sign(who person, data types.TxData) *types.Transaction {
	transaction := must(types.SignNewTx(who.key, types.LatestSignerForChainID(u.chainID), data))
	check(u.client.SendTransaction(u.ctx, transaction))
	return transaction
}

func (u *use) next(who person) uint64 { return must(u.client.PendingNonceAt(u.ctx, who.address())) }

func (u *use) chain() {
	equal(must(u.client.NetworkID(u.ctx)), u.chainID)
	var version string
	check(u.client.Client().CallContext(u.ctx, &version, "web3_clientVersion"))
	holds(strings.HasPrefix(strings.ToLower(version), "entente"), version)
	same(must(u.client.SuggestGasPrice(u.ctx)), 0)
	same(must(u.client.SuggestGasTipCap(u.ctx)), 0)
	history := must(u.client.FeeHistory(u.ctx, 2, nil, []float64{50}))
	for _, fee := range history.BaseFee {
		same(fee, 0)
	}
	same(must(u.client.BalanceAt(u.ctx, u.alice.address(), nil)), 0)
	holds(must(u.client.SyncProgress(u.ctx)) == nil, "it catches up")
}

func (u *use) erc20() {
	u.coin = u.deploy(u.kinds["Coin"], "Coin", "COIN", supply)
	bob := u.bob.address()
	equal(read[string](u.coin, nil, "name"), "Coin")
	u.transfer = u.write(u.alice, u.coin, "transfer", bob, big.NewInt(25))
	same(balance(u.coin, bob), 25)
	before := &bind.CallOpts{BlockNumber: new(big.Int).Sub(u.transfer.BlockNumber, common.Big1)}
	same(read[*big.Int](u.coin, before, "balanceOf", bob), 0)
	after := &bind.CallOpts{BlockHash: u.transfer.BlockHash}
	same(read[*big.Int](u.coin, after, "balanceOf", bob), 25)
	event := must(unpacked(u.coin)(u.transfer.Logs[0]))
	equal([]common.Address{event.From, event.To}, []common.Address{u.alice.address(), bob})
	same(event.Value, 25)
	equal(types.CreateBloom(u.transfer), u.transfer.Bloom)
	// How many there are lies in the third slot.
	equal(must(u.client.StorageAt(u.ctx, u.coin.Address(), common.HexToHash("2"), nil)), common.BigToHash(supply).Bytes())
}

func (u *use) erc721() {
	deed := u.deploy(u.kinds["Deed"])
	alice, bob := u.alice.address(), u.bob.address()
	u.write(u.alice, deed, "mint", alice, big.NewInt(7))
	u.write(u.alice, deed, "safeTransferFrom", alice, bob, big.NewInt(7))
	equal(read[common.Address](deed, nil, "ownerOf", big.NewInt(7)), bob)
	var results []any
	err := deed.Call(nil, &results, "ownerOf", big.NewInt(8))
	refused(err, deed, "ERC721NonexistentToken", big.NewInt(8))
}

func (u *use) proxy() {
	first, second := u.deploy(u.kinds["Counter"]), u.deploy(u.kinds["CounterByTen"])
	call := must(first.abi.Pack("initialize", u.alice.address()))
	behind := u.deploy(u.kinds["CounterProxy"], first.Address(), call)
	counter := u.at(behind.Address(), first.abi)
	u.write(u.alice, counter, "increase")
	// Before it is sent: its gas cannot be estimated.
	_, err := counter.Transact(u.bob.opts, "upgradeToAndCall", second.Address(), []byte{})
	refused(err, counter, "NotOwner", u.bob.address(), u.alice.address())
	u.write(u.alice, counter, "upgradeToAndCall", second.Address(), []byte{})
	u.write(u.alice, counter, "increase")
	same(read[*big.Int](counter, nil, "count"), 11)
}

func (u *use) logs() {
	bob := u.bob.address()
	opts := &bind.FilterOpts{Start: 0, Context: u.ctx}
	events := must(bind.FilterEvents(u.coin.BoundContract, opts, unpacked(u.coin), nil, []any{bob}))
	holds(events.Next(), events.Error())
	equal(events.Value().Raw.TxHash, u.transfer.TxHash)
	same(events.Value().Value, 25)
	holds(!events.Next(), "another")
	check(events.Error())
	// Of one block, by its hash.
	query := ethereum.FilterQuery{BlockHash: &u.transfer.BlockHash, Addresses: []common.Address{u.coin.Address()}}
	found := must(u.client.FilterLogs(u.ctx, query))
	equal([]types.Log{*u.transfer.Logs[0]}, found)
	// go-ethereum's client has no functions for filters that the node keeps.
	var kept string
	topics := []any{u.coin.abi.Events["Transfer"].ID, nil, common.BytesToHash(bob.Bytes())}
	criteria := map[string]any{"address": u.coin.Address(), "topics": topics}
	check(u.client.Client().CallContext(u.ctx, &kept, "eth_newFilter", criteria))
	receipt := u.write(u.alice, u.coin, "transfer", bob, big.NewInt(1))
	for _, expected := range [][]types.Log{{*receipt.Logs[0]}, {}} {
		var changes []types.Log
		check(u.client.Client().CallContext(u.ctx, &changes, "eth_getFilterChanges", kept))
		equal(changes, expected)
	}
}

// heard waits for one that is looked for.
func heard[T any](u *use, told <-chan T, subscription ethereum.Subscription, sought func(T) bool) {
	for {
		select {
		case value := <-told:
			if sought(value) {
				return
			}
		case err := <-subscription.Err():
			panic(err)
		case <-u.ctx.Done():
			panic("nothing is told of what is done")
		}
	}
}

func (u *use) subscriptions() {
	socket := must(ethclient.DialContext(u.ctx, strings.Replace(u.url, "http", "ws", 1)))
	defer socket.Close()
	address := u.coin.Address()
	listening := contract{bind.NewBoundContract(address, u.coin.abi, socket, socket, socket), u.coin.abi}
	heads, events, hashes := make(chan *types.Header, 8), make(chan *Transfer, 8), make(chan common.Hash, 8)
	blocks := must(socket.SubscribeNewHead(u.ctx, heads))
	opts, to := &bind.WatchOpts{Context: u.ctx}, []any{u.bob.address()}
	transfers := must(bind.WatchEvents(listening.BoundContract, opts, unpacked(listening), events, nil, to))
	pending := must(gethclient.New(socket.Client()).SubscribePendingTransactions(u.ctx, hashes))
	receipt := u.write(u.alice, u.coin, "transfer", u.bob.address(), big.NewInt(2))
	// The hash of a head is what go-ethereum computes of its fields.
	heard(u, heads, blocks, func(head *types.Header) bool { return head.Hash() == receipt.BlockHash })
	heard(u, events, transfers, func(event *Transfer) bool { return event.Raw.TxHash == receipt.TxHash })
	heard(u, hashes, pending, func(hash common.Hash) bool { return hash == receipt.TxHash })
	pending.Unsubscribe()
	transfers.Unsubscribe()
	blocks.Unsubscribe()
}

func (u *use) errors() {
	alice, bob := u.alice.address(), u.bob.address()
	expected := []any{bob, balance(u.coin, bob), supply}
	var results []any
	err := u.coin.Call(&bind.CallOpts{From: bob}, &results, "transfer", alice, supply)
	refused(err, u.coin, "ERC20InsufficientBalance", expected...)
	_, err = u.coin.Transact(u.bob.opts, "transfer", alice, supply)
	refused(err, u.coin, "ERC20InsufficientBalance", expected...)
	// In a block all the same.
	opts := *u.bob.opts
	opts.GasLimit = 100_000
	receipt := u.included(must(u.coin.Transact(&opts, "transfer", alice, supply)).Hash())
	equal([]any{receipt.Status, len(receipt.Logs)}, []any{types.ReceiptStatusFailed, 0})
	opts.Nonce = common.Big0
	_, err = u.coin.Transact(&opts, "transfer", alice, supply)
	holds(err != nil && strings.Contains(err.Error(), "nonce too low"), err)
}

func (u *use) gas() {
	alice, bob, coin := u.alice.address(), u.bob.address(), u.coin.Address()
	message := ethereum.CallMsg{From: alice, To: &coin, Data: must(u.coin.abi.Pack("transfer", bob, big.NewInt(3)))}
	estimate := must(u.client.EstimateGas(u.ctx, message))
	opts := *u.alice.opts
	opts.GasLimit = estimate
	receipt := u.mined(must(u.coin.Transact(&opts, "transfer", bob, big.NewInt(3))))
	holds(receipt.GasUsed <= estimate && estimate < 2*receipt.GasUsed, []uint64{estimate, receipt.GasUsed})
	list, used, failure, err := u.geth.CreateAccessList(u.ctx, message)
	check(err)
	equal(failure, "")
	holds(len(*list) == 1 && (*list)[0].Address == coin && used > 21_000, *list)
	// A balance that is not there, by an override of the state: that of the account at slot 0.
	slot := crypto.Keccak256Hash(common.LeftPadBytes(alice.Bytes(), 32), make([]byte, 32))
	diff := map[common.Hash]common.Hash{slot: common.BigToHash(big.NewInt(77))}
	overrides := map[common.Address]gethclient.OverrideAccount{coin: {StateDiff: diff}}
	asked := ethereum.CallMsg{To: &coin, Data: must(u.coin.abi.Pack("balanceOf", alice))}
	same(new(big.Int).SetBytes(must(u.geth.CallContract(u.ctx, asked, nil, &overrides))), 77)
}

func (u *use) traces() {
	config := &gethclient.CallTracerConfig{WithLog: true}
	frame := must(u.geth.TraceTransactionWithCallTracer(u.ctx, u.transfer.TxHash, config))
	equal([]any{frame.Type, *frame.To, frame.GasUsed}, []any{"CALL", u.coin.Address(), u.transfer.GasUsed})
	equal(frame.Logs[0].Topics, u.transfer.Logs[0].Topics)
	// Step by step, as the node traces by itself.
	steps := must(u.geth.TraceTransaction(u.ctx, u.transfer.TxHash, nil)).(map[string]any)
	equal([]any{steps["failed"], steps["gas"]}, []any{false, float64(u.transfer.GasUsed)})
	holds(len(steps["structLogs"].([]any)) > 100, steps["structLogs"])
}

func (u *use) fields() {
	coin, bob := u.coin.Address(), u.bob.address()
	legacy, listed := *u.alice.opts, *u.alice.opts
	legacy.GasPrice = common.Big0
	listed.AccessList = types.AccessList{{Address: coin, StorageKeys: []common.Hash{{}}}}
	for _, opts := range []*bind.TransactOpts{&legacy, &listed, u.alice.opts} {
		u.agreed(must(u.coin.Transact(opts, "transfer", bob, big.NewInt(4))))
	}
	data := must(u.coin.abi.Pack("transfer", bob, big.NewInt(4)))
	u.agreed(u.sign(u.alice, &types.AccessListTx{
		ChainID: u.chainID, Nonce: u.next(u.alice), GasPrice: common.Big0, Gas: 100_000, To: &coin, Data: data,
		AccessList: listed.AccessList,
	}))
}

// agreed holds if the node tells the same of a transaction wherever it tells of it.
func (u *use) agreed(sent *types.Transaction) {
	receipt := u.mined(sent)
	transaction, pending, err := u.client.TransactionByHash(u.ctx, sent.Hash())
	check(err)
	holds(!pending, "it waits")
	// What go-ethereum hashes of the fields that it was told.
	equal([]any{transaction.Hash(), transaction.Type()}, []any{sent.Hash(), receipt.Type})
	equal(must(types.Sender(types.LatestSignerForChainID(u.chainID), transaction)), u.alice.address())
	same(receipt.EffectiveGasPrice, 0)
	block := must(u.client.BlockByHash(u.ctx, receipt.BlockHash))
	equal([]any{block.Hash(), block.Number()}, []any{receipt.BlockHash, receipt.BlockNumber})
	equal(block.Transactions()[receipt.TransactionIndex].Hash(), sent.Hash())
	listed := must(u.client.TransactionInBlock(u.ctx, receipt.BlockHash, receipt.TransactionIndex))
	equal(listed.Hash(), sent.Hash())
	equal(must(u.client.TransactionCount(u.ctx, receipt.BlockHash)), uint(len(block.Transactions())))
	receipts := must(u.client.BlockReceipts(u.ctx, rpc.BlockNumberOrHashWithHash(receipt.BlockHash, false)))
	equal(receipts[receipt.TransactionIndex], receipt)
	parent := must(u.client.HeaderByNumber(u.ctx, new(big.Int).Sub(block.Number(), common.Big1)))
	equal(parent.Hash(), block.ParentHash())
	holds(block.GasUsed() >= receipt.GasUsed && block.GasUsed() <= block.GasLimit(), block.GasUsed())
}

func (u *use) nonces() {
	carol, bob := u.person(), u.bob.address()
	var sent []*types.Transaction
	for _, nonce := range []uint64{2, 3, 4, 1, 0} {
		data := &types.DynamicFeeTx{
			ChainID: u.chainID, Nonce: nonce, GasTipCap: common.Big0, GasFeeCap: common.Big0, Gas: 21_000, To: &bob,
		}
		sent = append(sent, u.sign(carol, data))
		if nonce == 2 {
			equal(u.next(carol), uint64(0))
		}
	}
	equal(u.next(carol), uint64(5))
	for _, transaction := range sent {
		u.mined(transaction)
	}
	equal(must(u.client.NonceAt(u.ctx, carol.address(), nil)), uint64(5))
}

func (u *use) delegations() {
	carol, coin := u.person(), u.coin.Address()
	id := uint256.MustFromBig(u.chainID)
	authorization := must(types.SignSetCode(carol.key, types.SetCodeAuthorization{ChainID: *id, Address: coin}))
	receipt := u.mined(u.sign(u.alice, &types.SetCodeTx{
		ChainID: id, Nonce: u.next(u.alice), GasTipCap: new(uint256.Int), GasFeeCap: new(uint256.Int), Gas: 100_000,
		To: u.bob.address(), Value: new(uint256.Int), AuthList: []types.SetCodeAuthorization{authorization},
	}))
	equal(receipt.Type, uint8(types.SetCodeTxType))
	transaction, _, err := u.client.TransactionByHash(u.ctx, receipt.TxHash)
	check(err)
	equal(transaction.SetCodeAuthorizations(), []types.SetCodeAuthorization{authorization})
	target, delegated := types.ParseDelegation(must(u.client.CodeAt(u.ctx, carol.address(), nil)))
	equal([]any{target, delegated}, []any{coin, true})
	equal(read[uint8](u.at(carol.address(), u.coin.abi), nil, "decimals"), uint8(18))
}

// The Rust token: what deploys it is the container of a Wasm contract, and the node tells its ABI.
func (u *use) wasm() {
	module := must(os.ReadFile(u.module))
	container := append(binary.LittleEndian.AppendUint32(common.FromHex("ef5741"), uint32(len(module))), module...)
	deployed := u.deploy(kind{Bytecode: container})
	var described abi.ABI
	check(u.client.Client().CallContext(u.ctx, &described, "entente_abi", "group1", deployed.Address()))
	token := u.at(deployed.Address(), described)
	alice, bob := u.alice.address(), u.bob.address()
	equal(read[string](token, nil, "symbol"), "ENT")
	equal(read[uint8](token, nil, "decimals"), uint8(18))
	receipt := u.write(u.alice, token, "transfer", bob, big.NewInt(25))
	event := must(unpacked(token)(receipt.Logs[0]))
	equal([]common.Address{event.From, event.To}, []common.Address{alice, bob})
	same(event.Value, 25)
	same(balance(token, bob), 25)
	var results []any
	err := token.Call(&bind.CallOpts{From: bob}, &results, "transfer", alice, big.NewInt(26))
	refused(err, token, "ERC20InsufficientBalance", bob, big.NewInt(25), big.NewInt(26))
}
