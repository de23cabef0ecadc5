"""The admin, and three views that move files."""

from django.contrib import admin
from django.urls import path

from . import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("about", views.about),
    path("upload", views.upload),
    path("form", views.form),
    path("download/<int:size>", views.download),
]
