"""What a program with web3.py does: web3_py.py URL TOKEN, in the folder where the clients are installed."""

import asyncio
import json
import sys
from pathlib import Path

from eth_abi import encode
from web3 import AsyncWeb3, Web3, WebSocketProvider
from web3.exceptions import ContractCustomError, Web3RPCError
from web3.logs import DISCARD
from web3.middleware import SignAndSendRawMiddlewareBuilder

URL, MODULE = sys.argv[1:]
CONTRACTS = json.loads(Path("contracts.json").read_text())
SUPPLY = 1000 * 10**18

w3 = Web3(Web3.HTTPProvider(URL))
eth = w3.eth


def account():
    """A new one, for which web3.py signs."""
    made = eth.account.create()
    w3.middleware_onion.inject(SignAndSendRawMiddlewareBuilder.build(made), layer=0)
    return made


alice, bob = account(), account()
kept = {}


def mined(sent):
    receipt = eth.wait_for_transaction_receipt(sent, timeout=30, poll_latency=0.05)
    assert receipt.status == 1, receipt
    return receipt


def deploy(contract, *arguments):
    factory = eth.contract(abi=contract["abi"], bytecode=contract["bytecode"])
    receipt = mined(factory.constructor(*arguments).transact({"from": alice.address}))
    return eth.contract(address=receipt.contractAddress, abi=contract["abi"])


def write(function, sender=None, **more):
    return mined(function.transact({"from": (sender or alice).address, **more}))


def refusal(contract, attempt):
    """The name and the arguments of the custom error by which a call is refused."""
    try:
        attempt()
    except ContractCustomError as error:
        data = bytes.fromhex(error.data[2:])
        for kind in contract.abi:
            if kind["type"] == "error":
                types = [part["type"] for part in kind["inputs"]]
                if Web3.keccak(text=f"{kind['name']}({','.join(types)})")[:4] == data[:4]:
                    return [kind["name"], *w3.codec.decode(types, data[4:])]
        raise
    raise AssertionError("it was not refused")


def low(address):
    return address.lower()


def chain():
    assert w3.is_connected() and eth.chain_id == int(w3.net.version)
    assert w3.client_version.lower().startswith("entente")
    assert eth.gas_price == 0 and eth.max_priority_fee == 0
    assert eth.fee_history(2, "latest", [50]).baseFeePerGas[-1] == 0
    assert eth.syncing is False and eth.get_balance(alice.address) == 0


def erc20():
    coin = kept["coin"] = deploy(CONTRACTS["Coin"], "Coin", "COIN", SUPPLY)
    functions = coin.functions
    assert len(eth.get_code(coin.address)) > 0 and functions.name().call() == "Coin"
    receipt = kept["transfer"] = write(functions.transfer(bob.address, 25))
    assert functions.balanceOf(bob.address).call() == 25
    assert functions.balanceOf(bob.address).call(block_identifier=receipt.blockNumber - 1) == 0
    (event,) = coin.events.Transfer().process_receipt(receipt)
    assert dict(event.args) == {"from": alice.address, "to": bob.address, "value": 25}


def erc721():
    deed = deploy(CONTRACTS["Deed"])
    write(deed.functions.mint(alice.address, 7))
    write(deed.functions.safeTransferFrom(alice.address, bob.address, 7))
    assert deed.functions.ownerOf(7).call() == bob.address
    assert refusal(deed, deed.functions.ownerOf(8).call) == ["ERC721NonexistentToken", 8]


def proxy():
    first, second = deploy(CONTRACTS["Counter"]), deploy(CONTRACTS["CounterByTen"])
    behind = deploy(CONTRACTS["CounterProxy"], first.address, first.encode_abi("initialize", [alice.address]))
    counter = eth.contract(address=behind.address, abi=CONTRACTS["Counter"]["abi"])
    write(counter.functions.increase())
    upgrade = counter.functions.upgradeToAndCall(second.address, b"")
    refused = refusal(counter, lambda: upgrade.call({"from": bob.address}))
    assert refused == ["NotOwner", low(bob.address), low(alice.address)], refused
    write(upgrade)
    write(counter.functions.increase())
    assert counter.functions.count().call() == 11


def logs():
    coin, transfer = kept["coin"], kept["transfer"]
    found = coin.events.Transfer().get_logs(from_block=0, argument_filters={"to": bob.address})
    assert [log.transactionHash for log in found] == [transfer.transactionHash]
    kept_filter = coin.events.Transfer.create_filter(from_block="latest", argument_filters={"to": bob.address})
    blocks = eth.filter("latest")
    receipt = write(coin.functions.transfer(bob.address, 1))
    assert [log.transactionHash for log in kept_filter.get_new_entries()] == [receipt.transactionHash]
    assert kept_filter.get_new_entries() == []
    assert receipt.blockHash in blocks.get_new_entries()
    assert eth.uninstall_filter(blocks.filter_id)


def subscriptions():
    asyncio.run(asyncio.wait_for(subscribed(), 30))


async def subscribed():
    coin = kept["coin"]
    async with AsyncWeb3(WebSocketProvider(URL.replace("http", "ws"))) as listening:
        topics = [coin.events.Transfer().topic, None, "0x" + encode(["address"], [bob.address]).hex()]
        asked = [("newHeads",), ("logs", {"address": coin.address, "topics": topics}), ("newPendingTransactions",)]
        names = {await listening.eth.subscribe(*arguments): arguments[0] for arguments in asked}
        receipt = await asyncio.to_thread(write, coin.functions.transfer(bob.address, 2))
        told = {}
        async for message in listening.socket.process_subscriptions():
            told[names[message["subscription"]]] = message["result"]
            if len(told) == 3:
                break
        assert told["newHeads"].hash == receipt.blockHash
        assert coin.events.Transfer().process_log(told["logs"]).args.value == 2
        assert told["newPendingTransactions"] == receipt.transactionHash


def errors():
    coin = kept["coin"]
    held = coin.functions.balanceOf(bob.address).call()
    transfer = coin.functions.transfer(alice.address, SUPPLY)
    expected = ["ERC20InsufficientBalance", low(bob.address), held, SUPPLY]
    for attempt in (transfer.call, transfer.estimate_gas):
        assert refusal(coin, lambda: attempt({"from": bob.address})) == expected
    # In a block all the same.
    sent = transfer.transact({"from": bob.address, "gas": 100_000})
    receipt = eth.wait_for_transaction_receipt(sent, timeout=30, poll_latency=0.05)
    assert receipt.status == 0 and receipt.logs == []
    try:
        eth.send_transaction({"from": bob.address, "to": alice.address, "gas": 21_000, "nonce": 0})
        raise AssertionError("a nonce was used twice")
    except Web3RPCError as error:
        assert "nonce too low" in error.message, error


def gas():
    transfer = kept["coin"].functions.transfer(bob.address, 3)
    estimate = transfer.estimate_gas({"from": alice.address})
    receipt = write(transfer, gas=estimate)
    assert receipt.gasUsed <= estimate < 2 * receipt.gasUsed
    listed = eth.create_access_list(transfer.build_transaction({"from": alice.address, "gas": 100_000}))
    assert kept["coin"].address in [entry.address for entry in listed.accessList]


def traces():
    transfer = kept["transfer"]
    frame = w3.manager.request_blocking(
        "debug_traceTransaction", [w3.to_hex(transfer.transactionHash), {"tracer": "callTracer"}]
    )
    assert frame["type"] == "CALL" and int(frame["gasUsed"], 16) == transfer.gasUsed


def fields():
    coin = kept["coin"]
    access = [{"address": coin.address, "storageKeys": ["0x" + "00" * 32]}]
    forms = [{"gasPrice": 0}, {"gasPrice": 0, "accessList": access}, {"maxFeePerGas": 0, "maxPriorityFeePerGas": 0}]
    for kind, form in enumerate(forms):
        receipt = write(coin.functions.transfer(bob.address, 4), **form)
        transaction = eth.get_transaction(receipt.transactionHash)
        count = eth.get_transaction_count(alice.address)
        assert (transaction.type, receipt.type, transaction.nonce + 1) == (kind, kind, count)
        assert (transaction["from"], transaction.to) == (alice.address, coin.address)
        assert (receipt.effectiveGasPrice, receipt.blockHash) == (0, transaction.blockHash)
        block = eth.get_block(receipt.blockNumber, full_transactions=True)
        assert block.transactions[receipt.transactionIndex].hash == receipt.transactionHash
        assert eth.get_block(block.number - 1).hash == block.parentHash
        assert eth.get_block_transaction_count(block.hash) == len(block.transactions)


def nonces():
    carol = account()
    count = lambda block: eth.get_transaction_count(carol.address, block)
    send = lambda nonce: eth.send_transaction({"from": carol.address, "to": bob.address, "gas": 21_000, "nonce": nonce})
    sent = [send(2)]
    assert count("pending") == 0
    sent += [send(nonce) for nonce in (3, 4, 1, 0)]
    assert count("pending") == 5
    for transaction in sent:
        mined(transaction)
    assert count("latest") == count("pending") == 5


def delegations():
    carol, coin = account(), kept["coin"]
    authorization = carol.sign_authorization({"chainId": eth.chain_id, "address": coin.address, "nonce": 0})
    sent = {"from": alice.address, "to": bob.address, "authorizationList": [authorization]}
    receipt = mined(eth.send_transaction({**sent, "gas": 100_000, "maxFeePerGas": 0, "maxPriorityFeePerGas": 0}))
    assert receipt.type == 4
    assert eth.get_code(carol.address) == bytes.fromhex("ef0100" + coin.address[2:])
    assert eth.contract(address=carol.address, abi=coin.abi).functions.decimals().call() == 18


def wasm():
    module = Path(MODULE).read_bytes()
    container = bytes.fromhex("ef5741") + len(module).to_bytes(4, "little") + module
    receipt = mined(eth.send_transaction({"from": alice.address, "data": container}))
    address = receipt.contractAddress
    contract = eth.contract(address=address, abi=w3.manager.request_blocking("entente_abi", ["group1", address]))
    assert [contract.functions.symbol().call(), contract.functions.decimals().call()] == ["ENT", 18]
    receipt = write(contract.functions.transfer(bob.address, 25))
    (event,) = contract.events.Transfer().process_receipt(receipt, errors=DISCARD)
    assert dict(event.args) == {"from": alice.address, "to": bob.address, "value": 25}
    much = contract.functions.transfer(alice.address, 26)
    expected = ["ERC20InsufficientBalance", low(bob.address), 25, 26]
    assert refusal(contract, lambda: much.call({"from": bob.address})) == expected


for step in (chain, erc20, erc721, proxy, logs, subscriptions, errors, gas, traces, fields, nonces, delegations, wasm):
    step()
    print(step.__name__, flush=True)
