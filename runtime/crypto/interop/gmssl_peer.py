"""Answers questions by gmssl: an array of them on standard input, an array of answers on standard output.

Bytes are hexadecimal both ways. A ciphertext has no leading 04 here.
"""

import json
import sys

from gmssl import sm3, sm4
from gmssl.sm2 import CryptSM2, default_ecc_table

C1C3C2 = 1


def curve(secret="", key=""):
    crypt = CryptSM2(private_key=secret, public_key="", mode=C1C3C2)
    # The constructor takes zeros and fours off the beginning of a key.
    crypt.public_key = key
    return crypt


def public_key(secret):
    return curve()._kg(int(secret, 16), default_ecc_table["g"])


def cipher(key, mode):
    crypt = sm4.CryptSM4()
    crypt.set_key(bytes.fromhex(key), mode)
    return crypt


def blocks(key, mode, text):
    crypt, data = cipher(key, mode), bytes.fromhex(text)
    return b"".join(bytes(crypt.one_round(crypt.sk, list(data[at : at + 16]))) for at in range(0, len(data), 16)).hex()


ANSWERS = {
    "public_key": lambda secret: public_key(secret),
    "sign": lambda secret, text: curve(secret, public_key(secret)).sign_with_sm3(bytes.fromhex(text)),
    "verify": lambda key, text, signature: bool(curve(key=key).verify_with_sm3(signature, bytes.fromhex(text))),
    "encrypt": lambda key, text: curve(key=key).encrypt(bytes.fromhex(text)).hex(),
    "decrypt": lambda secret, sealed: curve(secret).decrypt(bytes.fromhex(sealed)).hex(),
    "sm3": lambda text: sm3.sm3_hash(list(bytes.fromhex(text))),
    "sm4_encrypt": lambda key, text: blocks(key, sm4.SM4_ENCRYPT, text),
    "sm4_decrypt": lambda key, text: blocks(key, sm4.SM4_DECRYPT, text),
}

json.dump([ANSWERS[question.pop("ask")](**question) for question in json.load(sys.stdin)], sys.stdout)
