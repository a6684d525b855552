#include "git/role.h"

int main(void)
{
    return role_main("davit-git", git_work);
}
