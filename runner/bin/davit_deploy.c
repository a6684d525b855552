#include "deploy/role.h"

int main(void)
{
    return role_main("davit-deploy", deploy_work);
}
