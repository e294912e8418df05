#include "cli/command.h"
#include "daemon/child.h"

int main(int argc, char **argv)
{
	if (nj_child_is(argc, argv))
		return nj_child_main(argc, argv, NULL);
	return nj_cli_main(argc, argv);
}
