namespace Kvasir.Server.Errors;

/// <summary>A cause of an error, and what each dialect calls it: a row of the table of errors.</summary>
/// <param name="Status">Of HTTP.</param>
/// <param name="Type">In OpenAI's dialect.</param>
/// <param name="Code">In OpenAI's dialect.</param>
/// <param name="AnthropicType">In Anthropic's dialect.</param>
internal sealed record ErrorKind(int Status, string Type, string Code, string AnthropicType)
{
    private const string Invalid = "invalid_request_error";

    public static readonly ErrorKind InvalidJson = new(400, Invalid, "invalid_json", Invalid);
    public static readonly ErrorKind InvalidValue = new(400, Invalid, "invalid_value", Invalid);
    public static readonly ErrorKind Unsupported = new(400, Invalid, "unsupported", Invalid);
    public static readonly ErrorKind TemplateRefused = new(400, Invalid, "template_refused", Invalid);
    public static readonly ErrorKind ContextExceeded = new(400, Invalid, "context_length_exceeded", Invalid);
    public static readonly ErrorKind KvMemoryExceeded = new(400, Invalid, "kv_memory_exceeded", Invalid);
    public static readonly ErrorKind Unauthorized = new(401, "authentication_error", "invalid_api_key", "authentication_error") { Challenge = "Bearer" };
    public static readonly ErrorKind Forbidden = new(403, "permission_error", "forbidden", "permission_error");
    public static readonly ErrorKind RouteNotFound = new(404, "not_found_error", "route_not_found", "not_found_error");
    public static readonly ErrorKind ModelNotFound = new(404, "not_found_error", "model_not_found", "not_found_error");
    public static readonly ErrorKind PrefixNotFound = new(404, "not_found_error", "prefix_not_found", "not_found_error");
    public static readonly ErrorKind MethodNotAllowed = new(405, Invalid, "method_not_allowed", Invalid);
    public static readonly ErrorKind TooLarge = new(413, Invalid, "request_too_large", "request_too_large") { ClosesConnection = true };
    public static readonly ErrorKind WrongMediaType = new(415, Invalid, "unsupported_media_type", Invalid);
    public static readonly ErrorKind ClientLimit = new(429, "rate_limit_error", "rate_limit_exceeded", "rate_limit_error") { MayBeRetried = true };
    public static readonly ErrorKind NotBuilt = new(501, Invalid, "not_built", Invalid) { IsFinal = true };
    public static readonly ErrorKind Overloaded = new(503, "server_error", "overloaded", "overloaded_error") { AnthropicStatus = 529, MayBeRetried = true };
    public static readonly ErrorKind ModelUnavailable = new(503, "server_error", "model_unavailable", "overloaded_error") { MayBeRetried = true };
    public static readonly ErrorKind Draining = new(503, "server_error", "draining", "overloaded_error") { MayBeRetried = true, ClosesConnection = true };
    public static readonly ErrorKind DeadlineExceeded = new(504, "timeout_error", "deadline_exceeded", "timeout_error") { IsFinal = true };
    public static readonly ErrorKind EngineFailed = new(500, "server_error", "engine_failed", "api_error");
    public static readonly ErrorKind NumericFault = new(500, "server_error", "numeric_fault", "api_error") { IsFinal = true };

    /// <summary>Of a request whose head the listener refuses.</summary>
    public static ErrorKind OfListener(int status) => status switch
    {
        413 or 414 or 431 => TooLarge with { Status = status },
        408 => new(408, "timeout_error", "request_timeout", "timeout_error") { ClosesConnection = true },
        _ => new(status, Invalid, "invalid_request", Invalid) { ClosesConnection = true },
    };

    /// <summary>Of HTTP in Anthropic's dialect, where it differs.</summary>
    public int? AnthropicStatus { get; init; }

    /// <summary>How a client may say who it is, where that is what was missing.</summary>
    public string? Challenge { get; init; }

    /// <summary>Whether retry-after says when it is worth another try.</summary>
    public bool MayBeRetried { get; init; }

    /// <summary>Whether another try ends the same, though clients retry its status on their own.</summary>
    public bool IsFinal { get; init; }

    /// <summary>Whether the connection is closed behind the answer.</summary>
    public bool ClosesConnection { get; init; }
}
