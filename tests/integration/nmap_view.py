"""What an nmap scan says, without what changes from one to the next: nmap_view.py NAME < XML prints a line,
"NAME: STATE PORTS; STATE PORTS", with ports as ranges, or as a number where nmap gives no more."""
import sys
import xml.etree.ElementTree as xml


def ranges(ports):
    out = []
    for port in sorted(ports):
        if out and out[-1][1] == port - 1:
            out[-1][1] = port
        else:
            out.append([port, port])
    return ",".join(str(a) if a == b else "%d-%d" % (a, b) for a, b in out)


listed, counted = {}, {}
for port in xml.parse(sys.stdin).iter("ports"):
    for one in port.findall("port"):
        listed.setdefault(one.find("state").get("state"), []).append(int(one.get("portid")))
    for many in port.findall("extraports"):
        counted[many.get("state")] = int(many.get("count"))
parts = ["%s %s" % (state, ranges(ports)) for state, ports in listed.items()]
parts += ["%s (%d)" % (state, count) for state, count in counted.items()]
print("%s: %s" % (sys.argv[1], "; ".join(sorted(parts))))
