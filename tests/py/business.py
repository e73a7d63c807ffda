"""A paid session from end to end, as an internal service carries it out: grpcio, an API key, and no generated code.

    python business.py 127.0.0.1:8080 demo plk_…
"""

import sys
import uuid

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

address, tenant, key = sys.argv[1:]
channel = grpc.insecure_channel(address)
pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(channel))


def call(name, token=key, **fields):
    """Calls "BillingService/Quote" with the fields of its request; the answer is a dict, in which nothing is left out."""
    service, method = name.split("/")
    method = pool.FindServiceByName(f"parlor.v1.{service}").methods_by_name[method]
    request = json_format.ParseDict(fields, message_factory.GetMessageClass(method.input_type)())
    answer = message_factory.GetMessageClass(method.output_type).FromString
    unary = channel.unary_unary(f"/parlor.v1.{name}", type(request).SerializeToString, answer)
    metadata = [("authorization", f"Bearer {token}"), ("parlor-tenant", tenant)]
    message = unary(request, metadata=metadata, timeout=15)
    return json_format.MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


def person(name, role):
    """A new person, and a token to act as them."""
    user = call("DirectoryService/UpsertUser", user={"display_name": name, "roles": [role]})["user"]["id"]
    return user, call("TokenService/MintToken", user_id=user)["token"]


provider, as_provider = person("Sam", "ROLE_PROVIDER")
payer, as_payer = person("Cleo", "ROLE_CUSTOMER")
per_minute = {"unit": "coin", "rounding": "ROUNDING_STARTED_MINUTE", "warn_seconds": 60, "hold_seconds": 60}
call("BillingService/SetBillingPolicy", policy=per_minute)
rates = [{"kind": "SESSION_KIND_CHAT", "per_minute": 10}]
call("SessionService/UpsertProvider", provider={"person": {"user_id": provider}, "rates": rates})
call("BillingService/CreditWallet", user_id=payer, amount=100, request_id=f"payment-{uuid.uuid4()}")

asked = call("SessionService/RequestSession", as_payer, kind="SESSION_KIND_CHAT", provider={"user_id": provider})
session = {"id": asked["session"]["id"]}
call("SessionService/AcceptSession", as_provider, session=session)
held = call("BillingService/GetWallet", user_id=payer)["wallet"]["held"]
charged = int(call("SessionService/EndSession", session=session)["session"]["charged"])

left = call("BillingService/GetWallet", user_id=payer)["wallet"]
earned = call("BillingService/GetWallet", user_id=provider)["wallet"]["earnings"]
print(f"held {held} on the way, charged {charged}: {left['available']} left to Cleo, {earned} earned by Sam")
assert (int(held), int(left["available"]), int(left["held"]), int(earned)) == (20, 100 - charged, 0, charged)
