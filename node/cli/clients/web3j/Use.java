// What a program with web3j does: java -cp 'web3j/*' Use.java URL TOKEN, in the folder where the clients are installed.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.math.BigInteger;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.web3j.abi.EventEncoder;
import org.web3j.abi.FunctionEncoder;
import org.web3j.abi.FunctionReturnDecoder;
import org.web3j.abi.TypeReference;
import org.web3j.abi.datatypes.Address;
import org.web3j.abi.datatypes.Bool;
import org.web3j.abi.datatypes.DynamicBytes;
import org.web3j.abi.datatypes.Event;
import org.web3j.abi.datatypes.Function;
import org.web3j.abi.datatypes.Type;
import org.web3j.abi.datatypes.Utf8String;
import org.web3j.abi.datatypes.generated.Uint256;
import org.web3j.crypto.Credentials;
import org.web3j.crypto.Hash;
import org.web3j.crypto.Keys;
import org.web3j.protocol.Web3j;
import org.web3j.protocol.core.DefaultBlockParameter;
import org.web3j.protocol.core.DefaultBlockParameterName;
import org.web3j.protocol.core.Request;
import org.web3j.protocol.core.Response;
import org.web3j.protocol.core.methods.request.EthFilter;
import org.web3j.protocol.core.methods.request.Transaction;
import org.web3j.protocol.core.methods.response.EthBlock;
import org.web3j.protocol.core.methods.response.EthCall;
import org.web3j.protocol.core.methods.response.EthLog;
import org.web3j.protocol.core.methods.response.TransactionReceipt;
import org.web3j.protocol.http.HttpService;
import org.web3j.protocol.websocket.WebSocketService;
import org.web3j.tx.RawTransactionManager;
import org.web3j.tx.response.PollingTransactionReceiptProcessor;

public class Use {
    static final BigInteger SUPPLY = BigInteger.TEN.pow(21);
    static final String INSUFFICIENT = "ERC20InsufficientBalance(address,uint256,uint256)";
    static final Event TRANSFER =
            new Event("Transfer", List.of(address(true), address(true), new TypeReference<Uint256>() {}));

    final String url;
    final Path module;
    final HttpService service;
    final Web3j web3;
    final JsonNode contracts;
    final Credentials alice = account();
    final Credentials bob = account();
    long chainId;
    String coin;
    TransactionReceipt transfer;

    Use(String url, String module) throws Exception {
        this.url = url;
        this.module = Path.of(module);
        service = new HttpService(url);
        web3 = Web3j.build(service);
        contracts = new ObjectMapper().readTree(Path.of("contracts.json").toFile());
    }

    interface Step {
        void run() throws Exception;
    }

    public static void main(String[] arguments) throws Exception {
        Use use = new Use(arguments[0], arguments[1]);
        Map<String, Step> steps = new java.util.LinkedHashMap<>();
        steps.put("chain", use::chain);
        steps.put("erc20", use::erc20);
        steps.put("erc721", use::erc721);
        steps.put("proxy", use::proxy);
        steps.put("logs", use::logs);
        steps.put("subscriptions", use::subscriptions);
        steps.put("errors", use::errors);
        steps.put("gas", use::gas);
        steps.put("traces", use::traces);
        steps.put("fields", use::fields);
        steps.put("nonces", use::nonces);
        steps.put("wasm", use::wasm);
        for (Map.Entry<String, Step> step : steps.entrySet()) {
            step.getValue().run();
            System.out.println(step.getKey());
        }
        System.exit(0);
    }

    static Credentials account() {
        try {
            return Credentials.create(Keys.createEcKeyPair());
        } catch (Exception error) {
            throw new IllegalStateException(error);
        }
    }

    static TypeReference<Address> address(boolean indexed) {
        return new TypeReference<Address>(indexed) {};
    }

    static void equal(Object found, Object expected) {
        if (!found.equals(expected)) throw new AssertionError("found " + found + ", expected " + expected);
    }

    static void holds(boolean condition, Object found) {
        if (!condition) throw new AssertionError(found);
    }

    static BigInteger number(long value) {
        return BigInteger.valueOf(value);
    }

    static Uint256 uint(long value) {
        return new Uint256(value);
    }

    static Address address(Credentials whose) {
        return new Address(whose.getAddress());
    }

    /** What the node answers, unless it is an error. */
    static <R, A extends Response<R>> R answer(Request<?, A> request) throws Exception {
        A response = request.send();
        if (response.hasError()) throw new AssertionError(response.getError().getMessage());
        return response.getResult();
    }

    static String encoded(String name, Type<?>... arguments) {
        return FunctionEncoder.encode(new Function(name, Arrays.asList((Type[]) arguments), List.of()));
    }

    RawTransactionManager manager(Credentials whose) {
        var receipts = new PollingTransactionReceiptProcessor(web3, 50, 600);
        return new RawTransactionManager(web3, whose, chainId, receipts);
    }

    BigInteger estimate(Credentials from, String to, String data) throws Exception {
        var estimated = web3.ethEstimateGas(Transaction.createEthCallTransaction(from.getAddress(), to, data)).send();
        if (estimated.hasError()) throw new AssertionError(estimated.getError().getMessage());
        return estimated.getAmountUsed();
    }

    TransactionReceipt send(Credentials from, String to, String data) throws Exception {
        return send(from, to, data, estimate(from, to, data));
    }

    /** The receipt of a transaction of type 2. */
    TransactionReceipt send(Credentials from, String to, String data, BigInteger gas) throws Exception {
        var sent = manager(from).sendEIP1559Transaction(
                chainId, BigInteger.ZERO, BigInteger.ZERO, gas, to, data, BigInteger.ZERO, to == null);
        if (sent.hasError()) throw new AssertionError(sent.getError().getMessage());
        return mined(sent.getTransactionHash());
    }

    TransactionReceipt mined(String hash) throws Exception {
        return new PollingTransactionReceiptProcessor(web3, 50, 600).waitForTransactionReceipt(hash);
    }

    TransactionReceipt write(Credentials from, String to, String name, Type<?>... arguments) throws Exception {
        TransactionReceipt receipt = send(from, to, encoded(name, arguments));
        holds(receipt.isStatusOK(), receipt);
        return receipt;
    }

    String deploy(String name, Type<?>... arguments) throws Exception {
        String constructor = FunctionEncoder.encodeConstructor(Arrays.asList((Type[]) arguments));
        return send(alice, null, contracts.get(name).get("bytecode").asText() + constructor).getContractAddress();
    }

    EthCall call(Credentials from, String to, String data, DefaultBlockParameter block) throws Exception {
        return web3.ethCall(Transaction.createEthCallTransaction(from.getAddress(), to, data), block).send();
    }

    EthCall call(Credentials from, String to, String data) throws Exception {
        return call(from, to, data, DefaultBlockParameterName.LATEST);
    }

    @SuppressWarnings({"rawtypes", "unchecked"})
    <T extends Type> Object read(TypeReference<T> type, String to, String name, Type<?>... arguments) throws Exception {
        EthCall called = call(alice, to, encoded(name, arguments));
        holds(!called.isReverted(), called.getRevertReason());
        List<TypeReference<Type>> types = List.of((TypeReference<Type>) (TypeReference) type);
        return FunctionReturnDecoder.decode(called.getValue(), types).get(0).getValue();
    }

    Object balance(String token, Credentials whose) throws Exception {
        return read(new TypeReference<Uint256>() {}, token, "balanceOf", address(whose));
    }

    /** The data of a revert is this custom error. */
    static void isError(Response.Error error, String signature, Type<?>... arguments) {
        String data = FunctionEncoder.encodeConstructor(Arrays.asList((Type[]) arguments));
        equal(error.getData().toString().replace("\"", ""), Hash.sha3String(signature).substring(0, 10) + data);
    }

    void chain() throws Exception {
        chainId = web3.ethChainId().send().getChainId().longValueExact();
        equal(web3.netVersion().send().getNetVersion(), Long.toString(chainId));
        String version = web3.web3ClientVersion().send().getWeb3ClientVersion();
        holds(version.toLowerCase().startsWith("entente"), version);
        equal(web3.ethGasPrice().send().getGasPrice(), BigInteger.ZERO);
        equal(web3.ethMaxPriorityFeePerGas().send().getMaxPriorityFeePerGas(), BigInteger.ZERO);
        var balance = web3.ethGetBalance(alice.getAddress(), DefaultBlockParameterName.LATEST).send().getBalance();
        equal(balance, BigInteger.ZERO);
        holds(!web3.ethSyncing().send().isSyncing(), "it catches up");
    }

    void erc20() throws Exception {
        coin = deploy("Coin", new Utf8String("Coin"), new Utf8String("COIN"), new Uint256(SUPPLY));
        equal(read(new TypeReference<Utf8String>() {}, coin, "name"), "Coin");
        transfer = write(alice, coin, "transfer", address(bob), uint(25));
        equal(balance(coin, bob), number(25));
        var before = DefaultBlockParameter.valueOf(transfer.getBlockNumber().subtract(BigInteger.ONE));
        EthCall earlier = call(alice, coin, encoded("balanceOf", address(bob)), before);
        equal(new BigInteger(earlier.getValue().substring(2), 16), BigInteger.ZERO);
    }

    void erc721() throws Exception {
        String deed = deploy("Deed");
        write(alice, deed, "mint", address(alice), uint(7));
        write(alice, deed, "safeTransferFrom", address(alice), address(bob), uint(7));
        equal(read(address(false), deed, "ownerOf", uint(7)), bob.getAddress());
        isError(call(alice, deed, encoded("ownerOf", uint(8))).getError(), "ERC721NonexistentToken(uint256)", uint(8));
    }

    void proxy() throws Exception {
        String first = deploy("Counter");
        String second = deploy("CounterByTen");
        byte[] initialize = org.web3j.utils.Numeric.hexStringToByteArray(encoded("initialize", address(alice)));
        String counter = deploy("CounterProxy", new Address(first), new DynamicBytes(initialize));
        write(alice, counter, "increase");
        String upgrade = encoded("upgradeToAndCall", new Address(second), new DynamicBytes(new byte[0]));
        isError(call(bob, counter, upgrade).getError(), "NotOwner(address,address)", address(bob), address(alice));
        holds(send(alice, counter, upgrade).isStatusOK(), upgrade);
        write(alice, counter, "increase");
        equal(read(new TypeReference<Uint256>() {}, counter, "count"), number(11));
    }

    static String topic(Credentials whose) {
        return "0x" + FunctionEncoder.encodeConstructor(List.of(address(whose)));
    }

    EthFilter transfers(DefaultBlockParameter from) {
        var filter = new EthFilter(from, DefaultBlockParameterName.LATEST, coin);
        filter.addSingleTopic(EventEncoder.encode(TRANSFER)).addNullTopic().addSingleTopic(topic(bob));
        return filter;
    }

    void logs() throws Exception {
        var found = web3.ethGetLogs(transfers(DefaultBlockParameterName.EARLIEST)).send().getLogs();
        equal(found.size(), 1);
        equal(((EthLog.LogObject) found.get(0)).getTransactionHash(), transfer.getTransactionHash());
        BigInteger kept = web3.ethNewFilter(transfers(DefaultBlockParameterName.LATEST)).send().getFilterId();
        BigInteger blocks = web3.ethNewBlockFilter().send().getFilterId();
        TransactionReceipt receipt = write(alice, coin, "transfer", address(bob), uint(1));
        var changes = web3.ethGetFilterChanges(kept).send().getLogs();
        equal(((EthLog.LogObject) changes.get(0)).getTransactionHash(), receipt.getTransactionHash());
        var hashes = web3.ethGetFilterChanges(blocks).send().getLogs();
        holds(hashes.stream().anyMatch(hash -> hash.get().equals(receipt.getBlockHash())), hashes);
        holds(web3.ethUninstallFilter(kept).send().isUninstalled(), kept);
    }

    void subscriptions() throws Exception {
        WebSocketService socket = new WebSocketService(url.replace("http", "ws"), false);
        socket.connect();
        Web3j listening = Web3j.build(socket);
        CompletableFuture<String> data = new CompletableFuture<>();
        CompletableFuture<String> head = new CompletableFuture<>();
        List<String> topics = new ArrayList<>(List.of(EventEncoder.encode(TRANSFER)));
        listening.logsNotifications(List.of(coin), topics)
                .subscribe(told -> data.complete(told.getParams().getResult().getData()), data::completeExceptionally);
        listening.newHeadsNotifications()
                .subscribe(told -> head.complete(told.getParams().getResult().getHash()), head::completeExceptionally);
        // Listening begins in its own time, and what was done before is not told of.
        List<String> blocks = new ArrayList<>();
        while (!(data.isDone() && head.isDone()) && blocks.size() < 60) {
            blocks.add(write(alice, coin, "transfer", address(bob), uint(2)).getBlockHash());
            Thread.sleep(300);
        }
        equal(new BigInteger(data.get(1, TimeUnit.SECONDS).substring(2), 16), number(2));
        holds(blocks.contains(head.get(1, TimeUnit.SECONDS)), blocks);
        socket.close();
    }

    void errors() throws Exception {
        Uint256 held = new Uint256((BigInteger) balance(coin, bob));
        String much = encoded("transfer", address(alice), new Uint256(SUPPLY));
        isError(call(bob, coin, much).getError(), INSUFFICIENT, address(bob), held, new Uint256(SUPPLY));
        var asked = Transaction.createEthCallTransaction(bob.getAddress(), coin, much);
        isError(web3.ethEstimateGas(asked).send().getError(), INSUFFICIENT, address(bob), held, new Uint256(SUPPLY));
        // In a block all the same.
        TransactionReceipt receipt = send(bob, coin, much, number(100_000));
        holds(!receipt.isStatusOK() && receipt.getLogs().isEmpty(), receipt);
    }

    void gas() throws Exception {
        String data = encoded("transfer", address(bob), uint(3));
        BigInteger estimated = estimate(alice, coin, data);
        TransactionReceipt receipt = send(alice, coin, data, estimated);
        holds(receipt.isStatusOK() && receipt.getGasUsed().compareTo(estimated) <= 0, receipt);
    }

    /** The answer to a method that web3j has no name for. */
    static class Tree extends Response<JsonNode> {}

    void traces() throws Exception {
        var parameters = List.<Object>of(transfer.getTransactionHash(), Map.of("tracer", "callTracer"));
        JsonNode frame = answer(new Request<>("debug_traceTransaction", parameters, service, Tree.class));
        equal(frame.get("type").asText(), "CALL");
        equal(new BigInteger(frame.get("gasUsed").asText().substring(2), 16), transfer.getGasUsed());
    }

    void fields() throws Exception {
        String hash = transfer.getTransactionHash();
        var transaction = web3.ethGetTransactionByHash(hash).send().getTransaction().orElseThrow();
        equal(transaction.getType(), "0x2");
        equal(transaction.getFrom(), alice.getAddress());
        equal(transaction.getTo(), coin);
        equal(transaction.getChainId(), chainId);
        equal(transaction.getBlockHash(), transfer.getBlockHash());
        equal(transfer.getEffectiveGasPrice(), "0x0");
        var block = web3.ethGetBlockByHash(transfer.getBlockHash(), true).send().getBlock();
        int place = transaction.getTransactionIndex().intValueExact();
        var listed = (EthBlock.TransactionObject) block.getTransactions().get(place);
        equal(listed.getHash(), hash);
        var parent = DefaultBlockParameter.valueOf(block.getNumber().subtract(BigInteger.ONE));
        equal(web3.ethGetBlockByNumber(parent, false).send().getBlock().getHash(), block.getParentHash());
        holds(block.getGasUsed().compareTo(block.getGasLimit()) <= 0, block.getGasUsed());
        // A legacy transaction, too.
        var legacy = manager(alice).sendTransaction(
                BigInteger.ZERO, number(100_000), coin, encoded("transfer", address(bob), uint(4)), BigInteger.ZERO);
        equal(mined(legacy.getTransactionHash()).getType(), "0x0");
    }

    BigInteger count(Credentials whose, DefaultBlockParameterName block) throws Exception {
        return web3.ethGetTransactionCount(whose.getAddress(), block).send().getTransactionCount();
    }

    void nonces() throws Exception {
        Credentials carol = account();
        RawTransactionManager carols = manager(carol);
        List<String> hashes = new ArrayList<>();
        for (int nonce : new int[] {2, 3, 1, 0}) {
            var sent = org.web3j.crypto.RawTransaction.createTransaction(
                    number(nonce), BigInteger.ZERO, number(21_000), bob.getAddress(), BigInteger.ZERO, "");
            hashes.add(carols.signAndSend(sent).getTransactionHash());
            if (nonce == 2) equal(count(carol, DefaultBlockParameterName.PENDING), BigInteger.ZERO);
        }
        equal(count(carol, DefaultBlockParameterName.PENDING), number(4));
        for (String hash : hashes) holds(mined(hash).isStatusOK(), hash);
        equal(count(carol, DefaultBlockParameterName.LATEST), number(4));
    }

    void wasm() throws Exception {
        byte[] bytes = Files.readAllBytes(module);
        ByteBuffer container = ByteBuffer.allocate(7 + bytes.length).order(ByteOrder.LITTLE_ENDIAN);
        container.put(new byte[] {(byte) 0xef, 0x57, 0x41}).putInt(bytes.length).put(bytes);
        String data = org.web3j.utils.Numeric.toHexString(container.array());
        String token = send(alice, null, data).getContractAddress();
        equal(read(new TypeReference<Utf8String>() {}, token, "symbol"), "ENT");
        TransactionReceipt receipt = write(alice, token, "transfer", address(bob), uint(25));
        equal(receipt.getLogs().get(0).getTopics(), List.of(EventEncoder.encode(TRANSFER), topic(alice), topic(bob)));
        equal(balance(token, bob), number(25));
        equal(read(new TypeReference<Bool>() {}, token, "approve", address(bob), uint(5)), true);
        String much = encoded("transfer", address(alice), uint(26));
        isError(call(bob, token, much).getError(), INSUFFICIENT, address(bob), uint(25), uint(26));
    }
}
