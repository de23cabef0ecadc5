vcl 4.1;

backend default {
    @servers
}

sub vcl_recv {
    # The others give what is stored to clients with cookies, too.
    unset req.http.Cookie;
}
