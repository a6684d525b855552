#include "image/role.h"

int main(void)
{
    return role_main("davit-image", image_work);
}
