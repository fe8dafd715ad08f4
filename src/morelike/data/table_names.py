"""Common first and last names of several languages, in small letters, by which columns of people's names are known."""

from __future__ import annotations

_FIRST = {
    "en_US": "james john robert michael william david richard joseph thomas charles christopher daniel matthew anthony mark donald steven "
    "andrew joshua kenneth kevin brian george timothy ronald edward jason jeffrey ryan jacob gary nicholas eric jonathan stephen larry "
    "justin scott brandon benjamin samuel gregory alexander patrick frank raymond jack dennis jerry tyler aaron adam nathan henry zachary "
    "mary patricia jennifer linda elizabeth barbara susan jessica sarah karen lisa nancy betty sandra margaret ashley kimberly emily donna "
    "michelle carol amanda melissa deborah stephanie rebecca laura sharon cynthia kathleen amy angela brenda emma anna pamela nicole "
    "samantha katherine christine helen debra rachel carolyn janet maria heather diane julie joyce victoria kelly christina joan "
    "lauren judith megan cheryl andrea hannah martha jacqueline frances gloria ann teresa kathryn sara jean alice madison grace sophia "
    "liam noah oliver elijah lucas mason logan ethan isabella mia charlotte amelia harper abigail olivia bob tom peter paul jane kate",
    "de_DE": "hans peter jürgen juergen wolfgang heinz günter guenter helmut gerhard manfred dieter uwe bernd horst werner karl "
    "andreas stefan thorsten jens sven lukas finn jonas leon maximilian felix tobias florian sebastian matthias christoph markus jan "
    "ursula monika petra sabine renate helga karin brigitte ingrid erika gisela christa elke heike birgit anja katja kerstin claudia "
    "susanne silke ute jutta katharina johanna lena leonie sophie marie lea hannah anke nina heidi greta frieda anneliese thomas martin",
    "fr_FR": "jean pierre michel philippe alain patrick jacques bernard andré andre françois francois christophe laurent nicolas julien "
    "frédéric frederic stéphane stephane thierry olivier sébastien guillaume antoine mathieu hugo gabriel arthur jules louis clément marie "
    "nathalie isabelle sylvie catherine françoise valérie valerie martine véronique sandrine céline celine aurélie camille manon chloé "
    "léa lea inès jade juliette émilie emilie hélène helene margaux élodie",
    "es_ES": "josé jose antonio manuel francisco juan javier jesús jesus carlos miguel alejandro rafael pedro pablo ángel angel sergio "
    "fernando jorge luis alberto álvaro diego raúl enrique ramón vicente carmen ana isabel dolores pilar josefa rosa cristina teresa "
    "antonia lucía lucia mercedes paula elena raquel concepción rocío montserrat pilar marta silvia beatriz esperanza guadalupe ximena",
    "it_IT": "giuseppe giovanni antonio mario luigi francesco angelo vincenzo pietro salvatore carlo franco domenico bruno paolo michele "
    "giorgio aldo sergio luciano alessandro matteo lorenzo andrea davide simone federico giulia francesca chiara sara martina valentina "
    "alessia elisa silvia giovanna rosa angela giuseppina paola luisa caterina lucia federica ilaria serena",
    "pt_BR": "joão joao antônio antonio francisco carlos paulo pedro lucas luiz marcos gabriel rafael felipe bruno eduardo rodrigo tiago "
    "thiago gustavo guilherme leandro ana maria francisca adriana juliana márcia fernanda patrícia aline sandra camila amanda letícia "
    "beatriz larissa mariana vitória",
    "nl_NL": "jan piet kees henk willem johannes cornelis hendrik gerrit daan sem bram lars thijs ruben sanne anouk fleur femke lotte "
    "maaike marieke saskia ingrid wilma joost jeroen maarten sander bas",
    "pl_PL": "piotr krzysztof andrzej tomasz paweł pawel marcin michał michal marek grzegorz jakub kacper szymon zofia hanna katarzyna "
    "małgorzata malgorzata agnieszka barbara ewa krystyna magdalena elżbieta joanna aleksandra zuzanna julia wojciech łukasz lukasz",
    "sv_SE": "lars anders mikael johan erik karl per nils lennart emil oscar hugo björn gustav birgitta kristina ingrid eva elin astrid "
    "maja linnea freja ingeborg sigrid ole søren soren mette kirsten lone henrik jesper rasmus",
    "tr_TR": "mehmet mustafa ahmet ali hüseyin huseyin hasan ibrahim yusuf murat emre fatma ayşe ayse emine hatice zeynep elif meryem",
    "ru_RU": "александр сергей дмитрий алексей андрей михаил иван николай владимир елена ольга наталья анна мария татьяна ирина светлана "
    "ivan sergey sergei dmitry dmitri alexei aleksandr vladimir nikolai mikhail olga natalia tatiana irina svetlana yelena",
    "en_IN": "mohammed muhammad ahmed omar khaled hassan fatima aisha amit rahul sanjay rajesh suresh vijay ravi anil sunil priya pooja "
    "neha anjali deepa lakshmi sunita kavita arjun rohan ananya aarav",
}
_LAST = {
    "en_US": "smith johnson williams brown jones davis miller wilson moore taylor anderson thomas jackson white harris martin thompson "
    "robinson clark lewis lee walker hall allen young king wright hill green adams baker nelson carter mitchell roberts turner phillips "
    "campbell parker evans edwards collins stewart morris rogers reed cook morgan murphy bailey cooper richardson cox howard ward peterson "
    "watson brooks kelly sanders price bennett wood barnes ross henderson coleman jenkins perry powell hughes foster butler simmons "
    "patterson o'brien o'connor ryan sullivan",
    "de_DE": "müller mueller schmidt schneider fischer weber meyer wagner becker schulz hoffmann schäfer schaefer koch bauer richter klein "
    "wolf schröder schroeder neumann schwarz zimmermann braun krüger krueger hofmann hartmann lange schmitt werner krause lehmann schmid "
    "schulze maier köhler koehler herrmann walter könig huber kaiser fuchs peters scholz möller weiß jung hahn vogel keller frank",
    "fr_FR": "bernard dubois durand leroy moreau simon laurent lefebvre michel garcia roux fournier girard bonnet dupont lambert fontaine "
    "rousseau vincent muller lefèvre faure mercier blanc guérin boyer chevalier garnier",
    "es_ES": "garcía garcia fernández fernandez gonzález gonzalez rodríguez rodriguez lópez lopez martínez martinez sánchez sanchez pérez "
    "perez gómez gomez martín jiménez jimenez ruiz hernández hernandez díaz diaz moreno muñoz álvarez alvarez romero alonso gutiérrez "
    "navarro torres domínguez vázquez ramos gil ramírez ramirez serrano blanco molina flores rivera ortiz reyes cruz morales",
    "it_IT": "rossi russo ferrari esposito bianchi romano colombo ricci marino greco bruno gallo conti costa mancini rizzo lombardi",
    "pt_BR": "silva santos oliveira souza sousa rodrigues ferreira alves pereira lima gomes ribeiro carvalho almeida lopes soares",
    "nl_NL": "jansen bakker visser smit meijer mulder bos vos peters hendriks dijkstra vermeulen",
    "pl_PL": "nowak kowalski kowalska wiśniewski wisniewski wójcik wojcik kowalczyk kamiński kaminski lewandowski zieliński szymański",
    "sv_SE": "andersson johansson karlsson nilsson eriksson larsson olsson persson svensson hansen johansen olsen larsen nielsen "
    "jensen pedersen kristensen",
    "tr_TR": "yılmaz yilmaz kaya demir çelik şahin yıldız öztürk aydın",
    "ru_RU": "иванов смирнов кузнецов попов петров ivanov smirnov kuznetsov popov petrov ivanova smirnova",
    "en_IN": "patel sharma singh kumar gupta khan shah reddy rao iyer nair das mehta joshi verma",
}


def _by_name(lists: dict[str, str]) -> dict[str, str]:
    """{name: the first of the locales that have it}."""
    found: dict[str, str] = {}
    for locale, names in lists.items():
        for name in names.split():
            found.setdefault(name, locale)
    return found


FIRST_NAMES, LAST_NAMES = _by_name(_FIRST), _by_name(_LAST)
