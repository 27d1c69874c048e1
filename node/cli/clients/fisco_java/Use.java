// What a program with FISCO BCOS's java-sdk does: java -cp 'fisco_java/*' Use.java URL SUITE, in the folder where the
// clients are installed. It signs and reads with the library and carries the words over HTTP itself: the library's own
// way to a node is a channel that nodes do not serve yet.

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.math.BigInteger;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.fisco.bcos.sdk.client.protocol.model.JsonTransactionResponse;
import org.fisco.bcos.sdk.crypto.CryptoSuite;
import org.fisco.bcos.sdk.crypto.keypair.CryptoKeyPair;
import org.fisco.bcos.sdk.model.CryptoType;
import org.fisco.bcos.sdk.model.NodeVersion;
import org.fisco.bcos.sdk.model.TransactionReceipt;
import org.fisco.bcos.sdk.transaction.codec.encode.TransactionEncoderService;
import org.fisco.bcos.sdk.transaction.model.gas.DefaultGasProvider;
import org.fisco.bcos.sdk.transaction.model.po.RawTransaction;
import org.fisco.bcos.sdk.utils.Numeric;

public class Use {
    static final ObjectMapper JSON =
            new ObjectMapper().configure(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES, false);
    static final HttpClient HTTP = HttpClient.newHttpClient();
    static final String WORD = "0".repeat(62) + "2a";

    final String url;
    final boolean guomi;
    final CryptoSuite suite;
    final CryptoKeyPair pair;

    Use(String url, boolean guomi) {
        this.url = url;
        this.guomi = guomi;
        suite = new CryptoSuite(guomi ? CryptoType.SM_TYPE : CryptoType.ECDSA_TYPE);
        pair = suite.createKeyPair();
    }

    static void check(boolean holds, Object... found) {
        if (!holds) throw new IllegalStateException(List.of(found).toString());
    }

    JsonNode ask(String method, Object... parameters) throws Exception {
        Map<String, Object> asked = Map.of("jsonrpc", "2.0", "id", 1, "method", method, "params", List.of(parameters));
        HttpRequest request = HttpRequest.newBuilder(URI.create(url))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(JSON.writeValueAsString(asked)))
                .build();
        return JSON.readTree(HTTP.send(request, HttpResponse.BodyHandlers.ofString()).body());
    }

    <T> T result(Class<T> kind, String method, Object... parameters) throws Exception {
        JsonNode answer = ask(method, parameters);
        check(!answer.has("error"), method, answer);
        return JSON.treeToValue(answer.get("result"), kind);
    }

    /** Signed by the library with what its programs use where they say nothing else. */
    byte[] sign(String to, String data, int group) throws Exception {
        BigInteger limit = new BigInteger(result(String.class, "getBlockNumber", 1).substring(2), 16);
        RawTransaction raw = RawTransaction.createTransaction(
                new BigInteger(250, new java.security.SecureRandom()), DefaultGasProvider.GAS_PRICE,
                DefaultGasProvider.GAS_LIMIT, limit.add(BigInteger.valueOf(500)), to, BigInteger.ZERO, data,
                BigInteger.ONE, BigInteger.valueOf(group), "");
        return new TransactionEncoderService(suite).encodeAndSignBytes(raw, pair);
    }

    TransactionReceipt send(byte[] signed) throws Exception {
        String hash = result(String.class, "sendRawTransaction", 1, Numeric.toHexString(signed));
        check(hash.equals(Numeric.toHexString(suite.hash(signed))), hash);
        for (int tries = 0; tries < 3000; tries++) {
            TransactionReceipt receipt = result(TransactionReceipt.class, "getTransactionReceipt", 1, hash);
            if (receipt != null) return receipt;
            Thread.sleep(10);
        }
        throw new IllegalStateException("no receipt of " + hash);
    }

    int refusal(byte[] signed) throws Exception {
        JsonNode answer = ask("sendRawTransaction", 1, Numeric.toHexString(signed));
        check(answer.has("error"), answer);
        return answer.get("error").get("code").asInt();
    }

    void run() throws Exception {
        NodeVersion.ClientVersion version = result(NodeVersion.ClientVersion.class, "getClientVersion");
        check(version.getVersion().toLowerCase().contains("gm") == guomi, version);
        check(version.getChainId().equals("1"), version);
        System.out.println("chain");

        String creation = JSON.readTree(Path.of("contracts.json").toFile()).get("Register").get("bytecode").asText();
        TransactionReceipt deployed = send(sign("", creation, 1));
        check(deployed.isStatusOK() && deployed.getFrom().equals(pair.getAddress()), deployed);
        String contract = deployed.getContractAddress();
        System.out.println("deploy");

        byte[] set = sign(contract, "0x60fe47b1" + WORD, 1);
        TransactionReceipt kept = send(set);
        check(kept.isStatusOK() && kept.getOutput().endsWith(WORD), kept);
        check(kept.getLogs().get(0).getData().endsWith(WORD) && kept.getTo().equals(contract), kept);
        System.out.println("calls");

        // The library makes the transaction's hash anew from all that the node shows of it.
        JsonTransactionResponse shown =
                result(JsonTransactionResponse.class, "getTransactionByHash", 1, kept.getTransactionHash());
        check(shown.calculateHash(suite).equals(kept.getTransactionHash()), shown);
        System.out.println("fields");

        check(refusal(set) == 15, refusal(set));
        check(refusal(sign(contract, "0x", 2)) == 10003);
        System.out.println("refusals");
    }

    public static void main(String[] arguments) throws Exception {
        new Use(arguments[0], arguments[1].equals("guomi")).run();
    }
}
