"""Runs one network in one way for the conductor of the bench: a request a line on standard input, a reply a line.

    {"prepare": {"batch": 8}}                        {"ready": {"logits": [0.1, ...]}}
    {"run": {"discarded": 2, "repetitions": 10}}     {"times": {"wall": [1.2, ...], "cpu": 1.1}}

Times are milliseconds of a call. What goes wrong is {"fault": "..."}; whatever libraries print goes to standard error.
"""

import argparse
import json
import os
import pathlib
import sys
import time

arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
arguments.add_argument("--runner", required=True)
arguments.add_argument("--network", required=True)
arguments.add_argument("--threads", type=int, required=True)
arguments.add_argument("--folder", type=pathlib.Path, required=True, help="holds weights and inputs")
arguments = arguments.parse_args()

# Replies go where standard output was; libraries find standard error there.
replies = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

import numpy as np
import torch
from safetensors.torch import load_file

import networks

torch.set_num_threads(arguments.threads)
torch.set_num_interop_threads(1)


def main():
    network = networks.load(arguments.network, arguments.folder / "model.safetensors")
    call = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if "prepare" in request:
                # Two may not fit into memory.
                call = None
                call, logits = prepare(network, request["prepare"]["batch"])
                reply = {"ready": {"logits": logits}}
            else:
                reply = {"times": run(call, **request["run"])}
        except Exception as fault:
            import traceback

            traceback.print_exc()
            reply = {"fault": f"{type(fault).__name__}: {fault}".strip().splitlines()[0]}
        print(json.dumps(reply), file=replies, flush=True)


def prepare(network, batch):
    """What is to be called, and what it returns."""
    tensors = load_file(arguments.folder / f"inputs-{batch}.safetensors")
    inputs = tuple(tensors[name].contiguous() for name in network.encoders)
    call = RUNNERS[arguments.runner](network, inputs)
    logits = np.asarray(call(), dtype=np.float32).ravel().tolist()
    # First calls are slow, and some compile only after a few.
    start = time.perf_counter()
    for count in range(50):
        if count >= 5 and time.perf_counter() - start > 0.5:
            break
        call()
    settle()
    return call, logits


def run(call, discarded, repetitions):
    for _ in range(discarded):
        call()
    wall = []
    processor = time.process_time()
    for _ in range(repetitions):
        start = time.perf_counter()
        call()
        wall.append((time.perf_counter() - start) * 1e3)
    processor = (time.process_time() - processor) * 1e3 / repetitions
    settle()
    return {"wall": wall, "cpu": processor}


def settle():
    """Waits until no thread of this process spins any more, since the next process is to have the machine."""
    for _ in range(50):
        before = time.process_time()
        time.sleep(0.02)
        if time.process_time() - before < 0.001:
            return


def eager(network, inputs):
    @torch.inference_mode()
    def call():
        return network(*inputs)

    return call


def torchscript(network, inputs):
    plain_attention()
    with torch.no_grad():
        traced = torch.jit.trace(network, inputs, check_trace=False)
        script = torch.jit.optimize_for_inference(torch.jit.freeze(traced))

    @torch.inference_mode()
    def call():
        return script(*inputs)

    return call


def inductor(network, inputs):
    import torch._inductor.config

    plain_attention()
    # As `options` of `torch.compile`, freezing comes too late for weights to be packed.
    torch._inductor.config.freezing = True
    torch._inductor.config.cpp_wrapper = True
    torch.compiler.reset()
    compiled = torch.compile(network, dynamic=False)

    # Freezing asks for this, and not for `inference_mode`.
    @torch.no_grad()
    def call():
        return compiled(*inputs)

    return call


def onnxruntime(network, inputs):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = arguments.threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(onnx_model(network, inputs), options, providers=["CPUExecutionProvider"])
    feed = {value.name: tensor.numpy() for value, tensor in zip(session.get_inputs(), inputs)}
    return lambda: session.run(None, feed)[0]


def openvino(network, inputs, precision="f32"):
    import openvino

    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": arguments.threads,
        "NUM_STREAMS": 1,
        # Whoever starts the bench chooses the cores, for all runners alike.
        "ENABLE_CPU_PINNING": False,
    }
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(onnx_model(network, inputs)), "CPU", settings)
    request = compiled.create_infer_request()
    feed = dict(enumerate(tensor.numpy() for tensor in inputs))
    return lambda: request.infer(feed, share_inputs=True, share_outputs=True)[0]


def onnx_model(network, inputs):
    """The network in ONNX, for inputs of this shape alone."""
    plain_attention()
    with torch.no_grad():
        program = torch.onnx.export(network, inputs, dynamo=True, verbose=False)
    return program.model_proto.SerializeToString()


def plain_attention():
    """Switches off the fused layer that PyTorch takes on its own, which no exporter knows."""
    torch.backends.mha.set_fastpath_enabled(False)


RUNNERS = {
    "pytorch": eager,
    "torchscript": torchscript,
    "inductor": inductor,
    "onnxruntime": onnxruntime,
    "openvino": openvino,
    "openvino-bf16": lambda network, inputs: openvino(network, inputs, "bf16"),
}

main()
