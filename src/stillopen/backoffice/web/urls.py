"""Addresses of the daily pages."""

from django.urls import path

from stillopen.backoffice.web import (
    changes,
    employees,
    exceptions,
    overview,
    products,
    receipts,
    registers,
    shifts,
    signin,
    stock,
)

urlpatterns = [
    path("login", signin.sign_in),
    path("logout", signin.sign_out),
    path("store", signin.choose_store),
    path("", overview.overview),
    path("receipts", receipts.receipts),
    path("receipts/<str:number>", receipts.receipt),
    path("shifts", shifts.shifts),
    path("shifts/<uuid:shift_id>", shifts.shift),
    path("registers", registers.registers),
    path("registers/new", registers.add),
    path("registers/<uuid:register_id>", registers.register),
    path("registers/<uuid:register_id>/unblock", registers.unblock),
    path("registers/<uuid:register_id>/revoke", registers.revoke),
    path("registers/<uuid:register_id>/license", registers.new_license),
    path("registers/<uuid:register_id>/options", registers.options),
    path("products", products.products),
    path("products/<uuid:product_id>/price", products.change_price),
    path("products/<uuid:product_id>/stop", products.stop),
    path("changes", changes.changes),
    path("changes/applied", changes.applied),
    path("publish", changes.publish),
    path("stock", stock.stock),
    path("employees", employees.employees),
    path("employees/new", employees.new_employee),
    path("employees/<uuid:employee_id>", employees.employee),
    path("employees/<uuid:employee_id>/pin", employees.new_pin),
    path("employees/<uuid:employee_id>/switch", employees.switch),
    path("exceptions", exceptions.exceptions),
    path("exceptions/retry", exceptions.retry_everything),
    path("exceptions/<uuid:exception_id>/retry", exceptions.retry),
]
